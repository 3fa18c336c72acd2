package priority

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
)

// DefaultConcurrency is the default of [QueueConfig.Concurrency].
const DefaultConcurrency = 10

// QueueConfig configures a [Queue].
type QueueConfig struct {
	// Concurrency is how many functions may run at once. Defaults to DefaultConcurrency.
	Concurrency int
	// Limits bound the waiting; see there. Permits is taken from Concurrency.
	Limits Limits
	// Observe, if set, is told what happens to each function, on the goroutine to which it happens and with no lock
	// held. It must be safe for concurrent use and should return soon.
	Observe func(QueueEvent)
}

// A QueueEventKind says what a [QueueEvent] is about.
type QueueEventKind uint8

// The kinds of queue events.
const (
	QueueEnqueued  QueueEventKind = iota + 1 // a function came
	QueueCompleted                           // a function returned nil
	QueueError                               // a function failed, panicked, or was turned away before it ran
	QueueCleared                             // Clear turned waiting functions away
)

// String returns the kind's name: "enqueued", "completed", "error" or "cleared".
func (k QueueEventKind) String() string {
	switch k {
	case QueueEnqueued:
		return "enqueued"
	case QueueCompleted:
		return "completed"
	case QueueError:
		return "error"
	case QueueCleared:
		return "cleared"
	default:
		return "QueueEventKind(" + strconv.Itoa(int(k)) + ")"
	}
}

// A QueueEvent tells what happened in a [Queue].
type QueueEvent struct {
	Kind QueueEventKind
	// ID numbers the functions of a queue from 1. It is 0 for QueueCleared.
	ID    uint64
	Class Class
	Label string
	// Wait is how long the function waited, Duration how long it ran. Of QueueEnqueued and QueueCleared they are 0.
	Wait, Duration time.Duration
	// Err is what the function returned or why it was turned away, for QueueError alone.
	Err error
	// Reason and Count are what Clear was given, and how many it turned away, for QueueCleared alone.
	Reason string
	Count  int
}

// A Queue runs functions by priority, at most so many at once. Class, tenant and label are those of the context. Safe
// for concurrent use.
type Queue struct {
	sem     *Semaphore
	observe func(QueueEvent)
	ids     atomic.Uint64
}

// NewQueue returns a queue. It fails if the configuration contradicts itself.
func NewQueue(cfg QueueConfig) (*Queue, error) {
	l := cfg.Limits
	if l.Permits != 0 && l.Permits != cfg.Concurrency {
		return nil, fmt.Errorf("priority: Limits.Permits is %d: a queue takes it from Concurrency", l.Permits)
	}
	if cfg.Concurrency < 0 {
		return nil, fmt.Errorf("priority: Concurrency is %d: must not be negative", cfg.Concurrency)
	}
	l.Permits = cfg.Concurrency
	if l.Permits == 0 {
		l.Permits = DefaultConcurrency
	}
	sem, err := NewSemaphore(l)
	if err != nil {
		return nil, err
	}
	observe := cfg.Observe
	if observe == nil {
		observe = func(QueueEvent) {}
	}
	return &Queue{sem: sem, observe: observe}, nil
}

// errNoReturn is what observers hear of a function that did not return, and what Wait says of one that ended its
// goroutine by [runtime.Goexit], as a failed test does.
var errNoReturn = errors.New("priority: the function panicked or ended its goroutine")

// Do waits until it is fn's turn, runs it with ctx, and returns its error. If the turn never comes it returns a
// [*RefusedError], and fn has not run. A panic in fn gives its place free and goes on to the caller.
func (q *Queue) Do(ctx context.Context, fn func(context.Context) error) error {
	return q.run(ctx, q.enqueue(ctx), fn)
}

func (q *Queue) enqueue(ctx context.Context) uint64 {
	o, _ := FromContext(ctx)
	id := q.ids.Add(1)
	q.observe(QueueEvent{Kind: QueueEnqueued, ID: id, Class: o.Class, Label: o.Label})
	return id
}

func (q *Queue) run(ctx context.Context, id uint64, fn func(context.Context) error) (err error) {
	o, _ := FromContext(ctx)
	e := QueueEvent{Kind: QueueError, ID: id, Class: o.Class, Label: o.Label, Err: errNoReturn}
	came := mono.Now()
	permit, err := q.sem.Acquire(ctx)
	started := mono.Now()
	e.Wait = started.Sub(came)
	if err != nil {
		e.Err = err
		q.observe(e)
		return err
	}
	defer func() {
		e.Duration = mono.Since(started)
		permit.Release()
		q.observe(e)
	}()
	err = fn(ctx)
	e.Err = err
	if err == nil {
		e.Kind = QueueCompleted
	}
	return err
}

// A Task is a function that [Queue.Submit] took. Safe for concurrent use.
type Task struct {
	id   uint64
	done chan struct{}
	// Written before done is closed, read after.
	err      error
	panicked any
}

// ID returns the number under which events speak of the task.
func (t *Task) ID() uint64 { return t.id }

// Done returns a channel that is closed when the function has returned or been turned away.
func (t *Task) Done() <-chan struct{} { return t.done }

// Wait waits for the function to end and returns its error. If it panicked, Wait panics with the same value.
func (t *Task) Wait() error {
	<-t.done
	if t.panicked != nil {
		panic(t.panicked)
	}
	return t.err
}

// Submit is Do on a goroutine of its own: it returns at once.
func (q *Queue) Submit(ctx context.Context, fn func(context.Context) error) *Task {
	t := &Task{id: q.enqueue(ctx), done: make(chan struct{}), err: errNoReturn}
	go func() {
		defer close(t.done)
		defer func() { t.panicked = recover() }()
		t.err = q.run(ctx, t.id, fn)
	}()
	return t
}

// QueueStats are a queue's numbers at one instant.
type QueueStats struct {
	// High, Normal and Low are how many functions of each class wait.
	High, Normal, Low int
	// Processing is how many run.
	Processing int
}

// Stats returns the numbers of the instant.
func (q *Queue) Stats() QueueStats {
	s := q.sem.Stats()
	return QueueStats{
		High: s.Class(High).Waiting, Normal: s.Class(Normal).Waiting, Low: s.Class(Low).Waiting,
		Processing: s.InUse,
	}
}

// SetConcurrency changes how many functions may run at once. Those that run above a lowered number finish. Zero lets
// none begin until it is raised. It fails, and changes nothing, if n is negative or leaves no more than the reserve.
func (q *Queue) SetConcurrency(n int) error {
	l := q.sem.Limits()
	l.Permits = n
	return q.sem.SetLimits(l)
}

// Clear turns away every function that waits, with an error that tells reason and matches [ErrCleared], and returns how
// many they were. Those that run go on.
func (q *Queue) Clear(reason string) int {
	n := q.sem.Clear(reason)
	q.observe(QueueEvent{Kind: QueueCleared, Reason: reason, Count: n})
	return n
}

// Close turns away every function that waits, and all that come later. Those that run go on.
func (q *Queue) Close() { q.sem.Close() }
