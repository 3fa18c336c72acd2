package priority_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/priority"
)

// journal is an observer that remembers.
type journal struct {
	mu     sync.Mutex
	events []priority.QueueEvent
}

func (j *journal) observe(e priority.QueueEvent) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, e)
}

// of returns the events of one kind, with times to the microsecond.
func (j *journal) of(kind priority.QueueEventKind) []priority.QueueEvent {
	j.mu.Lock()
	defer j.mu.Unlock()
	var events []priority.QueueEvent
	for _, e := range j.events {
		if e.Kind == kind {
			e.Wait, e.Duration = e.Wait.Round(time.Microsecond), e.Duration.Round(time.Microsecond)
			events = append(events, e)
		}
	}
	return events
}

func newQueue(t *testing.T, cfg priority.QueueConfig) (*priority.Queue, *journal) {
	t.Helper()
	j := &journal{}
	cfg.Observe = j.observe
	q, err := priority.NewQueue(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return q, j
}

// occupy submits a function that runs until the returned one is called.
func occupy(t *testing.T, q *priority.Queue) (free func()) {
	gate := make(chan struct{})
	q.Submit(t.Context(), func(context.Context) error {
		<-gate
		return nil
	})
	synctest.Wait()
	return sync.OnceFunc(func() { close(gate) })
}

func TestQueueRunsByPriorityOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, _ := newQueue(t, priority.QueueConfig{Concurrency: 1})
		free := occupy(t, q)
		var ran []string // one slot: no two write at once
		for _, name := range []string{"low a", "normal a", "high a", "low b", "high b", "normal b"} {
			class, err := priority.ParseClass(strings.Fields(name)[0])
			if err != nil {
				t.Fatal(err)
			}
			q.Submit(priority.WithClass(t.Context(), class), func(context.Context) error {
				ran = append(ran, name)
				return nil
			})
			synctest.Wait()
		}
		if got, want := q.Stats(), (priority.QueueStats{High: 2, Normal: 2, Low: 2, Processing: 1}); got != want {
			t.Errorf("stats %+v, want %+v", got, want)
		}
		free()
		synctest.Wait()
		if want := []string{"high a", "high b", "normal a", "normal b", "low a", "low b"}; !slices.Equal(ran, want) {
			t.Errorf("ran %v, want %v", ran, want)
		}
		if got := q.Stats(); got != (priority.QueueStats{}) {
			t.Errorf("stats %+v at the end, want none", got)
		}
	})
}

func TestQueueTellsWhatHappensToEachFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, j := newQueue(t, priority.QueueConfig{Concurrency: 1})
		ctx := priority.NewContext(t.Context(), priority.Options{Class: priority.High, Label: "report"})
		failure := errors.New("no luck")
		first := q.Submit(ctx, func(got context.Context) error {
			if got != ctx {
				t.Error("the function got another context than its caller gave")
			}
			time.Sleep(20 * ms)
			return nil
		})
		synctest.Wait()
		second := q.Submit(t.Context(), func(context.Context) error {
			time.Sleep(5 * ms)
			return failure
		})
		if first.ID() != 1 || second.ID() != 2 {
			t.Errorf("ids %d and %d, want 1 and 2", first.ID(), second.ID())
		}
		if err := first.Wait(); err != nil {
			t.Errorf("first: %v", err)
		}
		<-second.Done()
		if err := second.Wait(); err != failure {
			t.Errorf("second: %v, want its own error as it is", err)
		}

		want := map[priority.QueueEventKind][]priority.QueueEvent{
			priority.QueueEnqueued: {
				{Kind: priority.QueueEnqueued, ID: 1, Class: priority.High, Label: "report"},
				{Kind: priority.QueueEnqueued, ID: 2},
			},
			priority.QueueCompleted: {
				{Kind: priority.QueueCompleted, ID: 1, Class: priority.High, Label: "report", Duration: 20 * ms},
			},
			priority.QueueError: {{Kind: priority.QueueError, ID: 2, Wait: 20 * ms, Duration: 5 * ms, Err: failure}},
		}
		for kind, events := range want {
			if got := j.of(kind); !slices.Equal(got, events) {
				t.Errorf("%v events\n %+v, want\n %+v", kind, got, events)
			}
		}
	})
}

func TestClearedFunctionsNeverRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, j := newQueue(t, priority.QueueConfig{Concurrency: 1})
		free := occupy(t, q)
		var tasks []*priority.Task
		for range 3 {
			tasks = append(tasks, q.Submit(t.Context(), func(context.Context) error {
				t.Error("a cleared function ran")
				return nil
			}))
			synctest.Wait()
		}
		if n := q.Clear("maintenance"); n != 3 {
			t.Errorf("Clear says %d, want 3", n)
		}
		for _, task := range tasks {
			err := task.Wait()
			if !errors.Is(err, priority.ErrCleared) || !strings.Contains(err.Error(), "maintenance") {
				t.Errorf("%v: want ErrCleared and the reason", err)
			}
		}
		want := []priority.QueueEvent{{Kind: priority.QueueCleared, Reason: "maintenance", Count: 3}}
		if got := j.of(priority.QueueCleared); !slices.Equal(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
		if got := j.of(priority.QueueError); len(got) != 3 || !errors.Is(got[0].Err, priority.ErrCleared) {
			t.Errorf("%+v: want an error for each that was turned away", got)
		}
		free()
	})
}

func TestPanicInDoFreesThePlaceAndGoesOn(t *testing.T) {
	q, j := newQueue(t, priority.QueueConfig{Concurrency: 1})
	recovered := func() (value any) {
		defer func() { value = recover() }()
		err := q.Do(t.Context(), func(context.Context) error { panic("boom") })
		t.Errorf("Do returned %v", err)
		return nil
	}()
	if recovered != "boom" {
		t.Errorf("recovered %v, want boom", recovered)
	}
	if got := j.of(priority.QueueError); len(got) != 1 || got[0].Err == nil {
		t.Errorf("%+v: want one error event", got)
	}
	if err := q.Do(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Errorf("after the panic: %v", err)
	}
}

func TestPanicInSubmitReachesWhoWaits(t *testing.T) {
	q, _ := newQueue(t, priority.QueueConfig{Concurrency: 1})
	task := q.Submit(t.Context(), func(context.Context) error { panic("boom") })
	for range 2 {
		recovered := func() (value any) {
			defer func() { value = recover() }()
			t.Errorf("Wait returned %v", task.Wait())
			return nil
		}()
		if recovered != "boom" {
			t.Errorf("recovered %v, want boom", recovered)
		}
	}
	if err := q.Do(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Errorf("after the panic: %v", err)
	}
}

func TestFunctionThatEndsItsGoroutineHasFailed(t *testing.T) {
	q, j := newQueue(t, priority.QueueConfig{Concurrency: 1})
	task := q.Submit(t.Context(), func(context.Context) error {
		runtime.Goexit()
		return nil
	})
	if err := task.Wait(); err == nil {
		t.Error("Wait returned no error for a function that never returned")
	}
	if got := j.of(priority.QueueError); len(got) != 1 || got[0].Err == nil {
		t.Errorf("%+v: want one error event", got)
	}
	if err := q.Do(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestDoThatIsTurnedAwayDoesNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, j := newQueue(t, priority.QueueConfig{
			Concurrency: 1, Limits: priority.Limits{MaxWait: 10 * ms, MaxWaiting: 1},
		})
		free := occupy(t, q)
		never := func(context.Context) error {
			t.Error("it ran")
			return nil
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := q.Do(ended, never); !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want context.Canceled", err)
		}
		waiting := q.Submit(t.Context(), never)
		synctest.Wait()
		if err := q.Do(t.Context(), never); !errors.Is(err, priority.ErrQueueFull) {
			t.Errorf("%v, want ErrQueueFull", err)
		}
		if err := waiting.Wait(); !errors.Is(err, priority.ErrTimeout) {
			t.Errorf("%v, want ErrTimeout", err)
		}
		waiting = q.Submit(t.Context(), never)
		synctest.Wait()
		q.Close()
		if err := waiting.Wait(); !errors.Is(err, priority.ErrClosed) {
			t.Errorf("%v, want ErrClosed", err)
		}
		if err := q.Do(t.Context(), never); !errors.Is(err, priority.ErrClosed) {
			t.Errorf("%v, want ErrClosed", err)
		}
		free()
		synctest.Wait()
		if enqueued, failed := len(j.of(priority.QueueEnqueued)), len(j.of(priority.QueueError)); enqueued != 6 || failed != 5 {
			t.Errorf("%d enqueued and %d failed, want 6 and 5", enqueued, failed)
		}
		if got := j.of(priority.QueueError)[2]; got.Wait != 10*ms || got.Duration != 0 {
			t.Errorf("%+v: want a wait of 10ms and no duration", got)
		}
	})
}

func TestSetConcurrencyWorksWhileFunctionsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, _ := newQueue(t, priority.QueueConfig{Concurrency: 1, Limits: priority.Limits{MaxWaiting: 9}})
		set := func(n, processing, waiting int) {
			t.Helper()
			if err := q.SetConcurrency(n); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if got := q.Stats(); got.Processing != processing || got.Normal != waiting {
				t.Errorf("at concurrency %d: %+v, want %d running and %d waiting", n, got, processing, waiting)
			}
		}
		gate := make(chan struct{})
		for range 6 {
			q.Submit(t.Context(), func(context.Context) error {
				<-gate
				return nil
			})
		}
		synctest.Wait()
		set(3, 3, 3)
		set(2, 3, 3)
		gate <- struct{}{}
		set(2, 2, 3)
		set(0, 2, 3)
		gate <- struct{}{}
		gate <- struct{}{}
		set(0, 0, 3)
		set(10, 3, 0)
		if err := q.SetConcurrency(-1); err == nil {
			t.Error("a concurrency of -1 was taken")
		}
		close(gate)
		synctest.Wait()
	})
}

func TestBadQueueConfigIsRefusedByName(t *testing.T) {
	for _, tt := range []struct {
		cfg  priority.QueueConfig
		want string
	}{
		{priority.QueueConfig{Concurrency: -1}, "Concurrency is -1"},
		{priority.QueueConfig{Concurrency: 2, Limits: priority.Limits{Permits: 3}}, "Limits.Permits is 3"},
		{priority.QueueConfig{Limits: priority.Limits{Permits: 3}}, "Limits.Permits is 3"},
		{priority.QueueConfig{Concurrency: 2, Limits: priority.Limits{Reserve: 2}}, "Reserve is 2"},
		{priority.QueueConfig{Limits: priority.Limits{MaxWait: -1}}, "MaxWait is -1ns"},
	} {
		if _, err := priority.NewQueue(tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %q", tt.cfg, err, tt.want)
		}
	}
}

func TestQueueWithoutConfigurationRunsTheDefaultNumberAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, err := priority.NewQueue(priority.QueueConfig{})
		if err != nil {
			t.Fatal(err)
		}
		gate := make(chan struct{})
		for range priority.DefaultConcurrency + 1 {
			q.Submit(t.Context(), func(context.Context) error {
				<-gate
				return nil
			})
		}
		synctest.Wait()
		if got := q.Stats(); got.Processing != priority.DefaultConcurrency || got.Normal != 1 {
			t.Errorf("%+v, want %d running and 1 waiting", got, priority.DefaultConcurrency)
		}
		close(gate)
	})
}

func TestQueueEventKindsHaveNames(t *testing.T) {
	for kind, want := range map[priority.QueueEventKind]string{
		priority.QueueEnqueued: "enqueued", priority.QueueCompleted: "completed", priority.QueueError: "error",
		priority.QueueCleared: "cleared", 0: "QueueEventKind(0)", 99: "QueueEventKind(99)",
	} {
		if got := kind.String(); got != want {
			t.Errorf("kind %d is called %q, want %q", int(kind), got, want)
		}
	}
}
