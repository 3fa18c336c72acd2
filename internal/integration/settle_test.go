package integration_test

import (
	"context"
	"runtime"
	"time"

	"github.com/poolsql/poolsql/internal/integration/bank"
	"github.com/poolsql/poolsql/internal/testdb"
)

// stop ends the load. It fails the test if callers do not come back.
func (r *rig) stop() {
	if r.load == nil {
		return
	}
	ended := r.load.Stop()
	r.load = nil
	select {
	case <-ended:
	case <-time.After(atRest):
		r.t.Errorf("callers have not come back after %s\n%+v\n%s", atRest, r.pool.Stats(), stacks())
		r.db.Close()
		if r.proxy != nil {
			r.proxy.Close()
		}
		<-ended
	}
}

// settle ends the load and closes the pool, and fails the test if anything is left, or if the books are not what the callers
// were told.
func (r *rig) settle() *bank.Journal {
	r.t.Helper()
	j := r.load.Journal()
	r.stop()
	stats := r.pool.Stats()
	r.t.Logf("%s\n%d connections opened, %d attempts failed, closed: %v", j, stats.NewConnsCount, stats.ConnectErrorCount, stats.ClosedConns)
	if !poll(endTimeout+2*time.Second, func() bool { stats = r.pool.Stats(); return stats.InUseConns == 0 && stats.ClosingConns == 0 }) {
		r.t.Errorf("all callers are back, and connections still in use or closing: %+v", stats)
	}
	r.watch.stop()
	r.watch.check(r.t)
	r.close()
	r.audit(j)
	if r.t.Failed() {
		r.t.Logf("what callers were told:\n%s", j.Kinds())
	}
	return j
}

func (r *rig) close() {
	r.t.Helper()
	if err := r.db.Close(); err != nil {
		r.t.Errorf("close: %v", err)
	}
	select {
	case <-r.pool.Done():
	case <-time.After(5 * time.Second):
		r.t.Errorf("connections are left 5 s after Close: %+v", r.pool.Stats())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := r.server.WaitReady(ctx); err != nil {
		r.t.Fatal(err)
	}
	var left []testdb.Backend
	if !poll(5*time.Second, func() bool { left = r.sessions(); return len(left) == 0 }) {
		r.t.Errorf("%d sessions are left on the server 5 s after the last connection was closed: %+v", len(left), left)
	}
}

// sessions are the pool's, as the server has them.
func (r *rig) sessions() []testdb.Backend {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	all, err := r.server.Backends(ctx)
	if err != nil {
		r.t.Error(err)
	}
	var ours []testdb.Backend
	for _, b := range all {
		if b.Application == application {
			ours = append(ours, b)
		}
	}
	return ours
}

func (r *rig) audit(j *bank.Journal) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn := r.side(ctx)
	defer conn.Close(ctx)
	wrong, err := bank.Audit(ctx, conn, j, r.rules)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, w := range append(wrong, j.Complaints()...) {
		r.t.Error(w)
	}
}

func stacks() string {
	buf := make([]byte, 1<<20)
	return string(buf[:runtime.Stack(buf, true)])
}
