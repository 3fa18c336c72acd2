package lifecycle_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

func quiesceError(t *testing.T, err error) *lifecycle.QuiesceError {
	t.Helper()
	var e *lifecycle.QuiesceError
	if !errors.As(err, &e) {
		t.Fatalf("%T is no *QuiesceError: %v", err, err)
	}
	return e
}

// quiesce lets somebody quiesce p, and returns when he waits or is done.
func quiesce(ctx context.Context, p *lifecycle.Pool[*thing]) <-chan error {
	done := make(chan error, 1)
	go func() { done <- p.Quiesce(ctx) }()
	synctest.Wait()
	return done
}

func TestQuiesceReturnsWhenTheLastHolderIsDone(t *testing.T) {
	for name, crowd := range map[string]int{"nobody waits": 0, "somebody waits": 2} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 2})
				giveAll(takeAll(t, p, 2)) // so that nobody who came had to wait
				hs := takeAll(t, p, 2)
				one, two := quiesce(t.Context(), p), quiesce(t.Context(), p)
				var cs []*caller
				for range crowd {
					cs = append(cs, call(t.Context(), p, priority.Options{}))
				}
				hs[0].Release()
				synctest.Wait()
				check(t, p)
				if len(one) != 0 || len(two) != 0 {
					t.Fatal("quiet with one in use")
				}
				hs[1].Destroy(lifecycle.EndBroken)
				if err := errors.Join(<-one, <-two, p.Quiesce(t.Context())); err != nil {
					t.Error(err)
				}
				for _, c := range cs {
					waits(t, c, "quiet")
				}
				if s := p.Stats(); !s.Suspended || s.InUse != 0 || s.Idle != 1 {
					t.Errorf("%+v", s)
				}
				check(t, p)
				p.Resume()
				for _, c := range cs {
					c.served(t).Release()
				}
			})
		})
	}
}

func TestQuiesceThatEndsEarlyNamesWhoHoldsAndStaysSuspended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Name: "db", Max: 3})
		slow := take(t, p, "nightly report")
		time.Sleep(time.Minute)
		quick := take(t, p, "checkout")
		why := errors.New("the switchover cannot wait")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, why)
		defer cancel()
		err := p.Quiesce(ctx)
		e := quiesceError(t, err)
		want := `poolsql: pool "db": not quiet, 2 still held: "nightly report" (normal) for 1m1s, "checkout" (normal) for 1s: ` +
			`the switchover cannot wait`
		if err.Error() != want || !errors.Is(err, why) || len(e.Stragglers) != 2 {
			t.Errorf("it says\n%s\nwant\n%s", err, want)
		}
		if !p.Stats().Suspended {
			t.Error("not suspended any more")
		}
		slow.Release()
		quick.Release()
		if err := p.Quiesce(ctx); err != nil {
			t.Errorf("it is quiet, and its context ended before: %v", err)
		}
	})
}

func TestQuiesceSaysWhenSomebodyResumesOrShutsThePool(t *testing.T) {
	for name, c := range map[string]struct {
		disturb func(p *lifecycle.Pool[*thing])
		text    string
		closed  bool
	}{
		"resume":             {(*lifecycle.Pool[*thing]).Resume, `poolsql: pool "db": not quiet: the pool was resumed`, false},
		"close":              {(*lifecycle.Pool[*thing]).Close, `poolsql: pool "db": not quiet: closed`, true},
		"resume and suspend": {func(p *lifecycle.Pool[*thing]) { p.Resume(); p.Suspend() }, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPool(t, &works{}, lifecycle.Config[*thing]{Name: "db", Max: 1})
				h := take(t, p, "")
				done := quiesce(t.Context(), p)
				c.disturb(p)
				synctest.Wait()
				check(t, p)
				if c.text == "" {
					if len(done) != 0 {
						t.Error(<-done)
					}
					h.Release()
					if err := <-done; err != nil {
						t.Error(err)
					}
					return
				}
				if err := <-done; err.Error() != c.text || errors.Is(err, lifecycle.ErrClosed) != c.closed {
					t.Errorf("%q, want %q", err, c.text)
				}
				h.Release()
			})
		})
	}
}
