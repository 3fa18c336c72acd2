package priority

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A simulation is callers of a Semaphore in fake time: those of open streams come when they come, those of closed ones as
// soon as they have had their answer.
type simulation struct {
	limits   Limits
	streams  []simStream
	duration time.Duration
	seed     uint64
	during   func(*Semaphore) // runs beside the callers
}

type simStream struct {
	options   Options
	perSecond float64       // of an open stream
	callers   int           // of a closed one
	work      time.Duration // each call's, and up to a tenth more
	deadline  time.Duration // 0 is none
	from, to  time.Duration // when it begins and ends; 0 is with the simulation
}

// simCall is what became of one call.
type simCall struct {
	at, wait, took time.Duration
	err            error
}

func (c simCall) ok() bool { return c.err == nil }

// run returns what became of each call, by stream.
func (s simulation) run(t *testing.T) ([][]simCall, Stats) {
	t.Helper()
	out := make([][]simCall, len(s.streams))
	var stats Stats
	synctest.Test(t, func(t *testing.T) {
		sem, err := NewSemaphore(s.limits)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		var mu sync.Mutex
		var done sync.WaitGroup
		call := func(i int, st *simStream, work time.Duration) {
			came := time.Now()
			ctx, cancel := NewContext(context.Background(), st.options), func() {}
			if st.deadline > 0 {
				ctx, cancel = context.WithTimeout(ctx, st.deadline)
			}
			defer cancel()
			c := simCall{at: came.Sub(begin)}
			permit, err := sem.Acquire(ctx)
			c.wait = time.Since(came)
			if err == nil {
				if ctx.Err() != nil {
					t.Errorf("a permit was granted %v after the context had ended", c.wait-st.deadline)
				}
				time.Sleep(work)
				permit.Release()
				err = ctx.Err() // an answer that comes too late is none
			}
			c.took, c.err = time.Since(came), err
			mu.Lock()
			out[i] = append(out[i], c)
			mu.Unlock()
		}
		for i := range s.streams {
			st := &s.streams[i]
			to := st.to
			if to == 0 {
				to = s.duration
			}
			rnd := rand.New(rand.NewPCG(s.seed, uint64(i)))
			work := func() time.Duration { return st.work + time.Duration(rnd.Float64()*float64(st.work)/10) }
			for range st.callers {
				own := rand.New(rand.NewPCG(s.seed, rnd.Uint64()))
				done.Go(func() {
					time.Sleep(st.from)
					for time.Since(begin) < to {
						call(i, st, st.work+time.Duration(own.Float64()*float64(st.work)/10))
					}
				})
			}
			if st.perSecond == 0 {
				continue
			}
			done.Go(func() {
				for at := st.from; at < to; at += time.Duration(rnd.ExpFloat64() / st.perSecond * float64(time.Second)) {
					time.Sleep(at - time.Since(begin))
					w := work()
					done.Go(func() { call(i, st, w) })
				}
			})
		}
		if s.during != nil {
			done.Go(func() { s.during(sem) })
		}
		done.Wait()
		stats = sem.Stats()
		if stats.InUse != 0 || stats.Waiting != 0 {
			t.Errorf("%d permits are out and %d wait when all have gone", stats.InUse, stats.Waiting)
		}
		sem.Close()
	})
	return out, stats
}

// summary is what a stream got.
type summary struct {
	calls, ok     int
	p50, p99, max time.Duration // of those answered
	refused       map[Reason]int
}

func summarize(calls []simCall) summary {
	s := summary{calls: len(calls), refused: make(map[Reason]int)}
	var took []time.Duration
	for _, c := range calls {
		if c.ok() {
			took = append(took, c.took)
		} else if r, ok := c.err.(*RefusedError); ok {
			s.refused[r.Reason]++
		}
	}
	s.ok = len(took)
	slices.Sort(took)
	if s.ok > 0 {
		s.p50, s.p99, s.max = took[s.ok/2], took[s.ok*99/100], took[s.ok-1]
	}
	return s
}

func (s summary) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d answered, p50 %v, p99 %v, max %v, refused %v", s.ok, s.calls, s.p50.Round(100*time.Microsecond),
		s.p99.Round(100*time.Microsecond), s.max.Round(100*time.Microsecond), s.refused)
	return b.String()
}
