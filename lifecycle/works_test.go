package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// A thing is what the pools of these tests keep.
type thing struct {
	id    int
	owner atomic.Int64 // who holds it; 0 is nobody
	ended atomic.Bool
}

// A works makes things and ends them, as slowly and as badly as a test wants, and counts.
type works struct {
	// mu guards what follows.
	mu                        sync.Mutex
	createTakes, destroyTakes time.Duration
	createFails, destroyFails error
	hangs                     bool // until its context ends
	begun                     []time.Time
	made, ended               int
	creating, peakCreating    int
	alive, peak               int // from the begin of the creation to the end of the destruction
	faults                    []error
}

var errDown = errors.New("connection refused")

// set changes how the works works.
func (w *works) set(change func(w *works)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(w)
}

// get returns a number of the works.
func (w *works) get(number func(w *works) int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return number(w)
}

func (w *works) attempts() int { return w.get(func(w *works) int { return len(w.begun) }) }
func (w *works) isMade() int   { return w.get(func(w *works) int { return w.made }) }
func (w *works) isEnded() int  { return w.get(func(w *works) int { return w.ended }) }

func (w *works) create(ctx context.Context) (*thing, error) {
	w.mu.Lock()
	w.begun = append(w.begun, time.Now())
	w.creating++
	w.peakCreating = max(w.peakCreating, w.creating)
	w.alive++
	w.peak = max(w.peak, w.alive)
	takes, hangs := w.createTakes, w.hangs
	w.mu.Unlock()

	err := pause(ctx, takes, hangs)

	w.mu.Lock()
	defer w.mu.Unlock()
	w.creating--
	if err == nil {
		err = w.createFails
	}
	if err != nil {
		w.alive--
		return nil, err
	}
	w.made++
	return &thing{id: w.made}, nil
}

func (w *works) destroy(ctx context.Context, th *thing) error {
	w.mu.Lock()
	takes := w.destroyTakes
	w.mu.Unlock()
	err := pause(ctx, takes, false)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended++
	w.alive--
	if th.ended.Swap(true) {
		w.faults = append(w.faults, fmt.Errorf("thing %d was destroyed twice", th.id))
	}
	if owner := th.owner.Load(); owner != 0 {
		w.faults = append(w.faults, fmt.Errorf("thing %d was destroyed in the hands of %d", th.id, owner))
	}
	return errors.Join(err, w.destroyFails)
}

// pause waits for d, or if hang is set for the end of ctx.
func pause(ctx context.Context, d time.Duration, hang bool) error {
	if d == 0 && !hang {
		return ctx.Err()
	}
	var over <-chan time.Time
	if !hang {
		timer := time.NewTimer(d)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// newPool returns a pool of w's things for a test in fake time. When the test ends, the pool is closed, must become empty,
// and its books, the works' and the observer's must agree.
func newPool(t *testing.T, w *works, cfg lifecycle.Config[*thing]) *lifecycle.Pool[*thing] {
	t.Helper()
	if cfg.Create == nil {
		cfg.Create = w.create
	}
	if cfg.Destroy == nil {
		cfg.Destroy = w.destroy
	}
	told := &recorder{}
	cfg.Observer = lifecycle.Join(told, cfg.Observer)
	p, err := lifecycle.NewPool(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		select {
		case <-p.Done():
		case <-time.After(time.Hour):
			t.Errorf("an hour after Close there are still %+v", p.Stats())
			return
		}
		synctest.Wait() // for what is told after the last one has gone
		checkEnd(t, p, w, told)
	})
	return p
}

// checkEnd compares the books of a pool that is closed and empty.
func checkEnd(t *testing.T, p *lifecycle.Pool[*thing], w *works, told *recorder) {
	t.Helper()
	if err := p.Check(); err != nil {
		t.Error("at the end:", err)
	}
	s := p.Stats()
	if s.Total != 0 || s.Waiting != 0 || s.InUse != 0 {
		t.Errorf("at the end there are left: %+v", s)
	}
	if s.Acquired != s.Released {
		t.Errorf("%d were lent and %d came back", s.Acquired, s.Released)
	}
	var destroyed uint64
	for _, n := range s.Destroyed {
		destroyed += n
	}
	if s.Created != destroyed {
		t.Errorf("%d were created and %d destroyed", s.Created, destroyed)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.made != w.ended || w.alive != 0 || w.creating != 0 {
		t.Errorf("the works made %d and ended %d; %d are alive and %d under way", w.made, w.ended, w.alive, w.creating)
	}
	for _, err := range w.faults {
		t.Error(err)
	}
	if told != nil {
		told.checkBalance(t)
	}
}

// check fails the test if p's books contradict themselves.
func check(t *testing.T, p *lifecycle.Pool[*thing]) {
	t.Helper()
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
}

// take acquires for somebody of this class, who must get something.
func take(t *testing.T, p *lifecycle.Pool[*thing], label string) lifecycle.Handle[*thing] {
	t.Helper()
	h, err := p.Acquire(priority.WithLabel(t.Context(), label))
	if err != nil {
		t.Fatalf("%s got nothing: %v", label, err)
	}
	return h
}

// takeAll acquires n, which must be had.
func takeAll(t *testing.T, p *lifecycle.Pool[*thing], n int) []lifecycle.Handle[*thing] {
	t.Helper()
	hs := make([]lifecycle.Handle[*thing], n)
	for i := range hs {
		hs[i] = take(t, p, fmt.Sprint("holder ", i+1))
	}
	return hs
}

// giveAll releases them in their order.
func giveAll(hs []lifecycle.Handle[*thing]) {
	for i := range hs {
		hs[i].Release()
	}
}

// A caller is somebody who acquires on a goroutine of his own.
type caller struct {
	came time.Time
	// What follows may be read when done is closed.
	done   chan struct{}
	h      lifecycle.Handle[*thing]
	err    error
	waited time.Duration
}

// call lets somebody acquire with these options, and returns when he has it or waits.
func call(ctx context.Context, p *lifecycle.Pool[*thing], o priority.Options) *caller {
	c := &caller{came: time.Now(), done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.h, c.err = p.AcquireFor(ctx, &lifecycle.Request{Options: o})
		c.waited = time.Since(c.came)
	}()
	synctest.Wait()
	return c
}

// near reports whether d is want, but for what the pool's clock cannot tell apart.
func near(d, want time.Duration) bool { return (d - want).Abs() < 10*time.Nanosecond }

// decided reports whether the caller has been served or turned away.
func (c *caller) decided() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// served waits for the caller, who must get something, and returns it.
func (c *caller) served(t *testing.T) *lifecycle.Handle[*thing] {
	t.Helper()
	<-c.done
	if c.err != nil {
		t.Fatalf("turned away after %s: %v", c.waited, c.err)
	}
	return &c.h
}

// refused waits for the caller, who must be turned away, and returns why.
func (c *caller) refused(t *testing.T) *lifecycle.AcquireError {
	t.Helper()
	<-c.done
	if c.err == nil {
		t.Fatalf("served after %s", c.waited)
	}
	return acquireError(t, c.err)
}

func acquireError(t *testing.T, err error) *lifecycle.AcquireError {
	t.Helper()
	var e *lifecycle.AcquireError
	if !errors.As(err, &e) {
		t.Fatalf("%T is no *AcquireError: %v", err, err)
	}
	return e
}
