package integration_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/integration/bank"
	"github.com/poolsql/poolsql/internal/integration/toxicproxy"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
)

// slack is what a busy machine may add to a promised time.
const slack = 250 * time.Millisecond

// Each caller allows that its statement is repeated, so that none of them hears of a restart.
func TestARestartIsNotNoticedByCallersWhoAllowRetries(t *testing.T) {
	r := newRig(t, false, nil)
	// They pause, so that it is not the machine that decides how many transfers there are: it has other work, too.
	r.beginWith(bank.Plan{Workers: 64, Repeatable: true, Pause: 50 * time.Millisecond})
	if err := r.server.Restart(t.Context(), testdb.Fast); err != nil {
		t.Fatal(err)
	}
	back := time.Now()
	best := 0.0
	for best < 0.8*r.rate && time.Since(back) < time.Second {
		best = max(best, r.measure(200*time.Millisecond))
	}
	took := time.Since(back)
	t.Logf("%.0f transfers a second before, %.0f at %s after the restart", r.rate, best, took.Round(10*time.Millisecond))
	if best < 0.8*r.rate || took > time.Second+slack {
		t.Errorf("%.0f transfers a second %s after the server accepts connections, want 0.8 of %.0f within 1 s", best, took, r.rate)
	}
	j := r.settle()
	for _, err := range j.Failures(5) {
		t.Error(err)
	}
	wantReplaced(t, r)
}

// A thousand callers want a server that is down. It sees few of them, and they all hear soon what is wrong with it.
func TestAServerThatIsDownIsNotStormedAndEachCallerHearsWhy(t *testing.T) {
	const callers, perSecond, wait = 1000, 5, time.Second
	r := newRig(t, true, func(cfg *connector.Config) { cfg.AcquireTimeout = wait })
	if err := r.db.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.watch.stop() // it would only look for the server
	if err := r.server.Stop(t.Context(), testdb.Immediate); err != nil {
		t.Fatal(err)
	}
	var slowest atomic.Int64
	stop := make(chan struct{})
	call := func() {
		began := time.Now()
		_, err := r.db.ExecContext(context.Background(), "select 1")
		took := time.Since(began)
		for old := slowest.Load(); int64(took) > old && !slowest.CompareAndSwap(old, int64(took)); old = slowest.Load() {
		}
		if r.pool.Stats().ConnectFailure == nil {
			return // it met a connection that was there before; the pool does not know yet
		}
		var create *lifecycle.CreateError
		if err == nil || !errors.As(err, &create) || create.Err == nil {
			t.Errorf("after %s: %v, want why the server cannot be reached", took, err)
		}
	}
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			pause := time.NewTicker(20 * time.Millisecond)
			defer pause.Stop()
			for {
				call()
				select {
				case <-stop:
					return
				case <-pause.C:
				}
			}
		})
	}
	if !poll(5*time.Second, func() bool { return r.pool.Stats().ConnectFailure != nil }) {
		t.Error("the pool has not noticed that the server is down")
	}
	// Those that were being dialed when the first attempt failed, and fail only now, nobody can take back.
	late := r.pool.Stats().ConnectingConns
	began, before := time.Now(), r.proxy.Accepted()
	r.pass()
	seen, lasted := r.proxy.Accepted()-before, time.Since(began)
	close(stop)
	all.Wait()
	t.Logf("%d attempts in %s, %d of them begun before; the slowest caller was told after %s", seen, lasted.Round(time.Millisecond), late, time.Duration(slowest.Load()).Round(time.Millisecond))
	if float64(seen-int64(late)) > perSecond*lasted.Seconds()+1 {
		t.Errorf("%d attempts in %s, want %d a second at most", seen, lasted, perSecond)
	}
	if seen == 0 {
		t.Error("nobody tried: the proxy has seen nothing")
	}
	if took := time.Duration(slowest.Load()); took > wait+4*slack { // a thousand at once wait for this machine, too
		t.Errorf("a caller was told after %s, its acquire timeout is %s", took, wait)
	}
}

// The one connection of a pool falls into a black hole while it is idle, so that the next statement gets no answer.
func TestACallerInABlackHoleReturnsInTimeAndTheSlotIsUsedAgain(t *testing.T) {
	const limit = time.Second
	r := newRig(t, true, func(cfg *connector.Config) {
		cfg.MaxConns, cfg.MinConns, cfg.HighReserve, cfg.StatementTimeout = 1, 0, 0, limit
	})
	ctx := t.Context()
	if err := r.db.PingContext(ctx); err != nil {
		t.Fatal(err)
	}
	r.watch.excuse(1)
	r.proxy.Poison(new(toxicproxy.BlackHole), new(toxicproxy.BlackHole))
	began := time.Now()
	_, err := r.db.ExecContext(ctx, "select 1")
	if took := time.Since(began); took > limit+time.Second+slack {
		t.Errorf("the caller came back after %s, want %s and a second at most: %v", took, limit, err)
	}
	if err == nil {
		t.Error("a statement in a black hole succeeded")
	}
	r.proxy.Heal()
	began = time.Now()
	_, err = r.db.ExecContext(ctx, "select 1")
	if took := time.Since(began); err != nil || took > time.Second+slack {
		t.Errorf("the next statement took %s: %v, want success within a second", took, err)
	}
	r.watch.stop()
	r.watch.check(t)
	r.close()
}
