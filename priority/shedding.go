package priority

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
)

// Shedding says what a scheduler does about more calls than it can serve. The zero value is ShedOff.
type Shedding uint8

// The ways to deal with overload.
const (
	// ShedOff lets everybody wait for as long as he may.
	ShedOff Shedding = iota
	// ShedDryRun changes nothing, and counts what ShedOn would turn away: [ClassStats.WouldRefuse].
	ShedDryRun
	// ShedOn keeps queues short when they would only grow. As long as a class's own queue says that it is overloaded, the
	// last to come is the first to be served, and who has waited for long is turned away ([Shed]): Low soon, Normal later,
	// High never. A caller who has to wait, and whose deadline is nearer than what a call like his takes, is turned away at
	// once ([TooLate]), whether or not there is overload.
	ShedOn
	numSheddings
)

var sheddingNames = [numSheddings]string{"off", "dry-run", "on"}

// Valid reports whether s is one of the three.
func (s Shedding) Valid() bool { return s < numSheddings }

// String returns "off", "dry-run" or "on".
func (s Shedding) String() string {
	if s.Valid() {
		return sheddingNames[s]
	}
	return fmt.Sprintf("Shedding(%d)", uint8(s))
}

// MarshalText implements [encoding.TextMarshaler].
func (s Shedding) MarshalText() ([]byte, error) {
	if !s.Valid() {
		return nil, fmt.Errorf("priority: %d is no way of shedding: want off (0), dry-run (1) or on (2)", uint8(s))
	}
	return []byte(s.String()), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler]. The empty text is off; case does not matter.
func (s *Shedding) UnmarshalText(text []byte) error {
	name := strings.ToLower(strings.TrimSpace(string(text)))
	if name == "" {
		*s = ShedOff
		return nil
	}
	for i, n := range sheddingNames {
		if n == name {
			*s = Shedding(i)
			return nil
		}
	}
	return fmt.Errorf("priority: %q is no way of shedding: want off, dry-run or on", text)
}

// The numbers of the detector are those of CoDel ("Controlling Queue Delay", Nichols and Jacobson, 2012), which are meant for
// packets, stretched to what is waited for.
const (
	shedTarget   = 5 * time.Millisecond   // the least of what counts as a delay; else half of what a use typically takes
	shedInterval = 100 * time.Millisecond // the least for which there must be one; else ten times what a long use takes
	// longUse is how many mean distances above the mean a use is that nine of ten stay below, roughly.
	longUse = 1.6
	// lateTrial lets one in so many of those through who would come too late, so that an estimate that is too high is
	// corrected by what they take.
	lateTrial = 16
	// allOff is how many mean distances less than typical a call without a label takes, of which no more is known than what all calls
	// take, and allAlike how many times more they typically take than they are apart: next to nothing less if they are all
	// alike, and nothing can be said if they are not.
	allOff, allAlike = 2, 8
	// stillShed: a class of which more than one in so many was turned away in an interval is overloaded still, though its
	// queue may have been empty at an instant, which is what turning them away is for.
	stillShed = 20
)

// shedAfter is how many targets a waiter of each class may be old while its class is overloaded, by rank. 0 is never.
var shedAfter = [NumClasses]int64{0, 4, 2}

// A shedder is what a scheduler with Shedding keeps. It holds no lock.
type shedder struct {
	on     bool // else it counts
	vigils [NumClasses]vigil
	fresh  mono.Time // no age is reckoned from before this; 0 is none
	trials uint
}

// A vigil watches the delay of one class. The age of its oldest waiter is the delay, whoever is served first: if that was
// never small during an interval, the queue stands, and more comes than goes.
type vigil struct {
	oldest, newest *Waiter // of the class, by elder and junior
	ends           mono.Time
	least          time.Duration // that the delay was in this interval; below 0 before it was looked at
	overloaded     bool
	limit          time.Duration // the age to be turned away at; drawn anew for each
	came, shed     int           // in this interval
	permits        int           // when it began
	since          mono.Time     // when it became overloaded; 0 if it is not
	before         uint64        // what it had turned away by then
	would          [numReasons]uint64
}

// setShedding puts a mode in force.
func (s *Scheduler) setShedding(mode Shedding) {
	if mode == ShedOff {
		for rank := range s.classes {
			s.classes[rank].newestFirst = false
			s.relieve(rank)
		}
		s.shed = nil
		return
	}
	if s.shed == nil {
		s.shed = &shedder{}
		for w := s.oldest; w != nil; w = w.newer {
			s.shed.vigils[w.class.rank()].arrive(w)
		}
	}
	s.shed.on = mode == ShedOn
	for rank := range s.classes {
		s.classes[rank].newestFirst = s.shed.on && s.shed.vigils[rank].overloaded
	}
	s.grown()
}

// restart makes the watch begin anew, as if those who wait had come now: nobody could be served until now, whatever the load.
func (s *Scheduler) restart() {
	if s.shed == nil {
		return
	}
	now := mono.Now()
	s.shed.fresh = now
	for rank := range s.shed.vigils {
		s.classes[rank].newestFirst = false
		s.relieve(rank)
		s.begin(rank, now)
	}
}

// grown makes the watch of each class begin anew if there are more permits than it began with: what went before says nothing
// about what comes. Where a permit only takes the place of one that was lost since, it goes on: permits that come and go
// would else keep it from ever coming to an end.
func (s *Scheduler) grown() {
	if s.shed == nil {
		return
	}
	for rank := range s.shed.vigils {
		if s.limits.Permits > s.shed.vigils[rank].permits {
			s.begin(rank, mono.Now())
		}
	}
}

// arrive enters w in the order of arrival of its class. One who waits for a second time is there among the last: all that
// it loses is that it is turned away later.
func (v *vigil) arrive(w *Waiter) {
	w.elder, w.junior = v.newest, nil
	if v.newest == nil {
		v.oldest = w
	} else {
		v.newest.junior = w
	}
	v.newest = w
}

func (v *vigil) depart(w *Waiter) {
	if w.elder == nil {
		v.oldest = w.junior
	} else {
		w.elder.junior = w.junior
	}
	if w.junior == nil {
		v.newest = w.elder
	} else {
		w.junior.elder = w.elder
	}
	w.elder, w.junior = nil, nil
}

// begin begins an interval of the watch of a class.
func (s *Scheduler) begin(rank int, now mono.Time) {
	v := &s.shed.vigils[rank]
	v.ends = now.Add(jitter(s.shedInterval()))
	v.least = -1
	v.came, v.shed, v.permits = 0, 0, s.limits.Permits
}

// jitter returns d, or up to a quarter less or more: programs that began together shall not turn callers away together.
func jitter(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()-0.5)/2*float64(d))
}

func (s *Scheduler) shedTarget() time.Duration {
	if !s.costs.all.known() {
		return shedTarget
	}
	return max(shedTarget, time.Duration(s.costs.all.typical/2))
}

func (s *Scheduler) shedInterval() time.Duration {
	if !s.costs.all.known() {
		return shedInterval
	}
	return max(shedInterval, time.Duration(10*(s.costs.all.mean+longUse*s.costs.all.off)))
}

// age returns for how long w waits, as far as that was the queue's doing.
func (s *Scheduler) age(w *Waiter, now mono.Time) time.Duration {
	since := w.since
	if s.shed.fresh != 0 && since < s.shed.fresh {
		since = s.shed.fresh
	}
	return max(0, now.Sub(since))
}

// observe looks at the delay of a class that is about to be served, or to get one more waiter. The class is overloaded when
// its delay has been above the target for an interval, and ceases to be when it was not for one moment of an interval in which
// hardly anybody was turned away. Before enough is known of what uses take, nothing is judged.
func (s *Scheduler) observe(rank int, now mono.Time) {
	v := &s.shed.vigils[rank]
	delay := time.Duration(0)
	if v.oldest != nil {
		delay = s.age(v.oldest, now)
	}
	if v.least < 0 || delay < v.least {
		v.least = delay
	}
	target := s.shedTarget()
	if delay <= target && !v.overloaded || s.permits == 0 || !s.costs.all.known() {
		s.begin(rank, now)
		return
	}
	if now < v.ends {
		return
	}
	long := delay == 0 && now.Sub(v.ends) > s.shedInterval() // since anything happened
	was := v.overloaded
	v.overloaded = v.least > target || v.shed*stillShed > v.came && !long
	s.classes[rank].newestFirst = v.overloaded && s.shed.on
	if v.overloaded != was {
		s.turn(rank, now)
	}
	s.begin(rank, now)
	v.limit = jitter(time.Duration(shedAfter[rank]) * target)
}

// sweep turns away, into b, those of the overloaded classes who have waited for too long, the lowest class first.
func (s *Scheduler) sweep(now mono.Time, b *Batch) {
	if !s.shed.on || s.permits == 0 {
		return
	}
	for rank := NumClasses - 1; rank > 0; rank-- {
		v := &s.shed.vigils[rank]
		for v.overloaded && v.oldest != nil && s.age(v.oldest, now) > v.limit {
			s.refuse(v.oldest, Shed, nil, b)
			v.shed++
			v.limit = jitter(time.Duration(shedAfter[rank]) * s.shedTarget())
		}
	}
}

// tooLate reports whether w, who has a deadline, cannot be done before it, and is to be turned away. One in so many is let
// through.
func (s *Scheduler) tooLate(w *Waiter, now mono.Time) bool {
	if w.ends == 0 {
		return false
	}
	c := s.costs.learned(w.kind)
	if c == nil || w.traits&trial != 0 {
		return false
	}
	need := c.typical
	if c == &s.costs.all {
		if w.kind != "" || allAlike*c.off > c.typical {
			return false // it may be another kind of call, of which nothing is known
		}
		need -= allOff * c.off
	}
	if float64(w.ends.Sub(now)) >= need {
		return false
	}
	if !s.shed.on {
		if w.traits&noted == 0 {
			w.traits |= noted
			s.shed.vigils[w.class.rank()].would[TooLate]++
		}
		return false
	}
	s.shed.trials++
	if s.shed.trials%lateTrial == 0 {
		w.traits |= trial
		return false
	}
	return true
}

// note counts w, who leaves the queue, if ShedOn would have turned it away.
func (s *Scheduler) note(w *Waiter, now mono.Time) {
	rank := w.class.rank()
	v := &s.shed.vigils[rank]
	if !s.shed.on && v.overloaded && rank > 0 && w.traits&noted == 0 && s.age(w, now) > v.limit {
		v.would[Shed]++
		v.shed++
	}
}

// missed notes of w, who leaves the queue without a permit, and is in its line still, what its refusal tells, and counts it for a dry
// run.
func (s *Scheduler) missed(w *Waiter) {
	if t := w.line.flow; t != nil && t.full {
		w.traits |= capped
	}
	if s.shed != nil && !s.shed.on {
		s.note(w, mono.Now())
	}
}

// comeBack returns when one who is turned away should come again: when those who wait now have been served, and not all
// at the same time. 0 is not known.
func (s *Scheduler) comeBack() time.Duration {
	if s.costs == nil || !s.costs.all.known() {
		return 0
	}
	queue := s.costs.all.mean * float64(s.waiting+1) / float64(max(1, s.limit))
	wait := max(time.Duration(min(queue, float64(time.Minute))), min(s.shedInterval(), time.Minute))
	return wait + time.Duration(rand.Float64()/2*float64(wait))
}

// Overloaded reports whether the queue of class c stands: more comes than goes. It is always false without Shedding.
func (s *Scheduler) Overloaded(c Class) bool {
	return s.shed != nil && s.shed.vigils[c.rank()].overloaded
}
