package priority

import (
	"context"
	"fmt"
	"math/rand"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
)

// TestSchedulerDoesWhatTheModelDoes lets random stories happen to a Scheduler and to the model, compares them after each
// step, and checks what must hold whatever the model says. POOLSQL_SEED replays one story.
func TestSchedulerDoesWhatTheModelDoes(t *testing.T) {
	first, last := int64(1), int64(1000)
	if testing.Short() {
		last = 200
	}
	if s := os.Getenv("POOLSQL_SEED"); s != "" {
		seed, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		first, last = seed, seed
	}
	for seed := first; seed <= last && !t.Failed(); seed++ {
		synctest.Test(t, func(t *testing.T) { newStory(t, seed).run() })
	}
}

// story is one random sequence of calls. Its clock is that of its bubble.
type story struct {
	t     *testing.T
	seed  int64
	rnd   *rand.Rand
	sched Scheduler
	model model
	watch watch
	rang  atomic.Bool // since the last Expire
	ids   int
	who   map[*Waiter]*person
	log   []string
	held  []*person // who holds a permit
}

func newStory(t *testing.T, seed int64) *story {
	s := &story{t: t, seed: seed, rnd: rand.New(rand.NewSource(seed)), who: make(map[*Waiter]*person)}
	s.model.limits = s.limits()
	s.watch.model = &s.model
	s.sched.Init(s.model.limits, func() { s.rang.Store(true) })
	return s
}

func (s *story) fatal(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("seed %d, step %d: %s\nthe last steps were\n  %s",
		s.seed, len(s.log), fmt.Sprintf(format, args...), strings.Join(s.log[max(0, len(s.log)-12):], "\n  "))
}

func (s *story) did(format string, args ...any) { s.log = append(s.log, fmt.Sprintf(format, args...)) }

func (s *story) run() {
	for range 40 + s.rnd.Intn(120) {
		s.step()
		if s.rnd.Intn(10) > 0 {
			s.serve()
		}
		s.compare()
	}
	s.end()
}

func (s *story) step() {
	switch n := s.rnd.Intn(100); {
	case n < 40:
		s.come()
	case n < 43:
		s.comeFirst()
	case n < 65:
		s.release()
	case n < 73:
		s.leave()
	case n < 81:
		s.endContext()
	case n < 89:
		s.sleep()
	case n < 90:
		s.expire()
	case n < 91:
		s.refuseOne()
	case n < 94:
		delta := s.rnd.Intn(5) - 2
		s.did("grow by %d", delta)
		s.model.limits.Permits += delta
		s.sched.Grow(delta)
	case n < 95 || s.model.paused && n < 96:
		s.suspend()
	case n < 98:
		l := s.limits()
		s.did("set %+v", l)
		s.model.limits = l
		s.sched.SetLimits(l)
	default:
		s.refuseAll()
	}
}

// suspend makes the scheduler grant nothing, or grant again.
func (s *story) suspend() {
	s.model.paused = !s.model.paused
	s.did("suspended: %t", s.model.paused)
	if s.model.paused {
		s.sched.Suspend()
	} else {
		s.sched.Resume()
	}
	if s.sched.Suspended() != s.model.paused {
		s.fatal("suspended: %t", s.sched.Suspended())
	}
}

// refuseOne turns away somebody who waits, and once more, which does nothing.
func (s *story) refuseOne() {
	p := s.anybody()
	if p == nil {
		return
	}
	now := mono.Now()
	stuck := p.gone(now) == None && !s.model.overdue(p, now)
	if s.sched.Stuck(p.w, now) != stuck {
		s.fatal("%v is stuck: %t", p, !stuck)
	}
	s.did("%v is turned away", p)
	var batch Batch
	if !s.sched.Refuse(p.w, Deadlock, nil, &batch) || s.sched.Refuse(p.w, Cleared, nil, &batch) || s.sched.Stuck(p.w, now) {
		s.fatal("%v is not turned away once", p)
	}
	s.model.leave(p, Deadlock)
	s.turnedAway(&batch, []*person{p}, Deadlock)
}

func (s *story) limits() Limits {
	oneOf := func(values ...int) int { return values[s.rnd.Intn(len(values))] }
	return Limits{
		Permits:       oneOf(0, 1, 1, 2, 3, 5, 8),
		Reserve:       oneOf(0, 0, 1, 2, 9),
		AgingShare:    oneOf(0, 2, 2, 3, 4, 7, -1),
		MaxWaiting:    oneOf(0, 0, 1, 4, 10),
		MaxWait:       time.Duration(oneOf(0, 0, 5, 20, 50)) * time.Millisecond,
		TenantWeights: []Weights{nil, nil, {"a": 2, "b": 0.5}}[s.rnd.Intn(3)],
	}
}

func (s *story) come() {
	p := s.person()
	if s.rnd.Intn(4) > 0 {
		got, want := s.sched.TryAdmit(p.class), s.model.tryAdmit(p.class)
		if got != want {
			s.fatal("TryAdmit(%v) = %t, want %t", p.class, got, want)
		}
		if got {
			s.did("%v admitted", p)
			s.held = append(s.held, p)
			return
		}
	}
	s.did("%v comes", p)
	var batch Batch
	ok := s.sched.Enqueue(p.w, &batch)
	turned, why := s.model.enqueue(p)
	switch {
	case turned == p:
		if ok {
			s.fatal("%v was queued, want %v", p, why)
		}
		s.ended(p, why)
	case !ok:
		s.fatal("%v was refused", p)
	default:
		s.who[p.w] = p
		s.watch.came(p)
	}
	if turned != nil && turned != p {
		s.turnedAway(&batch, []*person{turned}, why)
		return
	}
	s.turnedAway(&batch, nil, why)
}

func (s *story) comeFirst() {
	p := s.person()
	p.front = true
	s.did("%v comes to the front", p)
	s.sched.EnqueueFront(p.w)
	s.model.enqueueFront(p)
	s.who[p.w] = p
	s.watch.came(p)
}

func (s *story) person() *person {
	s.ids++
	p := &person{
		id: s.ids, class: Classes()[s.rnd.Intn(NumClasses)], tenant: []string{"", "", "a", "b", "c"}[s.rnd.Intn(5)],
		since: mono.Now(), spared: s.rnd.Intn(3) == 0, end: func() {},
	}
	if s.rnd.Intn(8) == 0 {
		p.since = p.since.Add(-time.Duration(s.rnd.Intn(30)) * time.Millisecond) // waits for a second time
	}
	ctx, left := context.Background(), time.Duration(1+s.rnd.Intn(30))*time.Millisecond
	switch s.rnd.Intn(4) {
	case 0:
		ctx, p.end = context.WithCancel(ctx)
	case 1:
		ctx, p.end = context.WithTimeout(ctx, left)
		p.ends = mono.Now().Add(left)
	case 2:
		ctx = lateContext{ctx, time.Now().Add(left)}
		p.ends = mono.Now().Add(left)
	}
	o := Options{Class: p.class, Tenant: p.tenant}
	if p.spared {
		o.Retries = 1
	}
	p.w = NewWaiter(ctx, &o, p.since)
	return p
}

func (s *story) release() {
	if len(s.held) == 0 {
		return
	}
	i := s.rnd.Intn(len(s.held))
	p := s.held[i]
	s.held = slices.Delete(s.held, i, i+1)
	used := time.Duration(s.rnd.Intn(20)-1) * time.Millisecond / 2
	s.did("%v releases after %v", p, used)
	s.sched.Release(p.class)
	s.sched.Reckon(p.use, "", "", used)
	s.model.release(p, used)
}

// serve calls Next until nobody is next.
func (s *story) serve() {
	for {
		var batch Batch
		now := mono.Now()
		w := s.sched.Next(now, &batch)
		s.watch.before(now)
		want, gone := s.model.next(now)
		s.turnedAwayEach(&batch, gone, func(p *person) Reason { return p.gone(now) })
		if w == nil && want == nil {
			break
		}
		if w == nil || s.who[w] != want {
			s.fatal("next is %v, want %v", s.who[w], want)
		}
		s.did("%v granted", want)
		if complaint := s.watch.granted(want); complaint != "" {
			s.fatal("%s", complaint)
		}
		batch.Add(w)
		batch.Wake()
		s.woken(w)
		if !w.Granted() {
			s.fatal("%v does not know that it was granted", want)
		}
		want.use = w.Use()
		s.held = append(s.held, want)
		s.forget(want)
	}
	for rank := range NumClasses {
		if s.sched.classes[rank].waiting > 0 && s.model.room(rank) {
			s.fatal("%v waits for a permit that is free", Classes()[rank])
		}
	}
}

func (s *story) leave() {
	p := s.anybody()
	if p == nil {
		return
	}
	why := Reason(Canceled + Reason(s.rnd.Intn(2)))
	s.did("%v leaves", p)
	if !s.sched.Leave(p.w, why) {
		s.fatal("%v may not leave", p)
	}
	s.model.leave(p, why)
	s.ended(p, why)
	s.forget(p)
}

func (s *story) endContext() {
	if p := s.anybody(); p != nil && p.w.done != nil && !p.ended {
		s.did("the context of %v ends", p)
		p.end()
		p.ended = true
	}
}

func (s *story) anybody() *person {
	if len(s.model.arrival) == 0 {
		return nil
	}
	return s.model.arrival[s.rnd.Intn(len(s.model.arrival))]
}

func (s *story) sleep() {
	d := time.Duration(1+s.rnd.Intn(15)) * time.Millisecond
	s.did("%v pass", d)
	time.Sleep(d)
	synctest.Wait()
	if s.rang.Swap(false) {
		s.expire()
		return
	}
	for _, p := range s.model.arrival {
		if s.model.overdue(p, mono.Now()) {
			s.fatal("no alarm for %v, who has waited for %v", p, mono.Since(p.since))
		}
	}
}

func (s *story) expire() {
	s.did("expire")
	now := mono.Now()
	var batch Batch
	s.sched.Expire(now, &batch)
	s.turnedAway(&batch, s.model.expire(now), Timeout)
}

func (s *story) refuseAll() {
	why := []Reason{Cleared, Closed, Unavailable}[s.rnd.Intn(3)]
	spare := s.rnd.Intn(2) == 0
	s.did("%v to all, but the patient: %t", why, spare)
	var batch Batch
	s.sched.RefuseAll(why, nil, spare, &batch)
	s.turnedAway(&batch, s.model.refuseAll(why, spare), why)
}

func (s *story) turnedAway(batch *Batch, want []*person, why Reason) {
	s.t.Helper()
	s.turnedAwayEach(batch, want, func(*person) Reason { return why })
}

// turnedAwayEach checks that the batch is these people in this order, wakes them, and checks what they learn.
func (s *story) turnedAwayEach(batch *Batch, want []*person, why func(*person) Reason) {
	s.t.Helper()
	var got []*person
	for _, w := range batch.members() {
		got = append(got, s.who[w])
	}
	if !slices.Equal(got, want) {
		s.fatal("turned away: %v, want %v", got, want)
	}
	batch.Wake()
	for _, p := range want {
		s.woken(p.w)
		s.ended(p, why(p))
		s.forget(p)
	}
}

// woken receives the wake-up of w, of which there must be one.
func (s *story) woken(w *Waiter) {
	s.t.Helper()
	if len(w.wake) != 1 {
		s.fatal("%v was woken %d times", s.who[w], len(w.wake))
	}
	w.Settle()
}

// ended checks that p learns why it got nothing.
func (s *story) ended(p *person, why Reason) {
	s.t.Helper()
	s.did("%v: %v", p, why)
	if p.w.Granted() || p.w.reason != why || len(p.w.wake) != 0 {
		s.fatal("%v: granted %t, %v, %d wake-ups; want %v", p, p.w.Granted(), p.w.reason, len(p.w.wake), why)
	}
}

func (s *story) forget(p *person) {
	p.end()
	s.watch.left(p)
	delete(s.who, p.w)
	p.w.Free()
}

func (s *story) compare() {
	s.t.Helper()
	if err := s.sched.check(); err != nil {
		s.fatal("%v", err)
	}
	arrival := make([]*person, 0, len(s.model.arrival))
	for w := s.sched.oldest; w != nil; w = w.newer {
		arrival = append(arrival, s.who[w])
	}
	if !slices.Equal(arrival, s.model.arrival) {
		s.fatal("waiting: %v, want %v", arrival, s.model.arrival)
	}
	stats := s.sched.Stats()
	for rank, cs := range stats.Classes {
		if cs.Held != s.model.held[rank] || cs.Waiting != s.model.waitingOf(rank) || cs.Granted != s.model.granted[rank] {
			s.fatal("%+v, want %d held, %d waiting, %d granted",
				cs, s.model.held[rank], s.model.waitingOf(rank), s.model.granted[rank])
		}
		for reason, n := range s.model.refused[rank] {
			if cs.Refused[Reason(reason)] != n {
				s.fatal("%v refused %d times for %v, want %d", cs.Class, cs.Refused[Reason(reason)], Reason(reason), n)
			}
		}
	}
}

// end brings all permits back and sends everybody home.
func (s *story) end() {
	for len(s.held) > 0 {
		s.release()
	}
	var batch Batch
	s.sched.RefuseAll(Closed, nil, false, &batch)
	s.turnedAway(&batch, s.model.refuseAll(Closed, false), Closed)
	s.sched.Stop()
	s.compare()
	if stats := s.sched.Stats(); stats.InUse != 0 || stats.Waiting != 0 || len(s.who) != 0 {
		s.fatal("at the end %d are out, %d wait, %d are not accounted for", stats.InUse, stats.Waiting, len(s.who))
	}
}
