package lifecycle

import (
	"cmp"
	"slices"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/priority"
)

// counters count from the start. They are guarded by the pool's mu.
type counters struct {
	released     uint64
	created      uint64
	createFailed uint64
	destroyed    [numEndReasons]uint64
	leaks        uint64
	useTime      time.Duration
	createTime   time.Duration
}

// Stats are a pool's numbers at one instant. They are consistent with each other. Counters count from the start.
type Stats struct {
	// Total is Idle, InUse, Creating and Closing together. It never exceeds Max, but for what a lowered maximum still
	// lets run.
	Total, Idle, InUse, Creating, Closing int
	// Suspended says that nobody is lent anything at present.
	Suspended bool
	// Waiting is how many callers wait.
	Waiting  int
	Min, Max int
	// Acquired and Released count lendings begun and ended; Waits, those that did not begin at once.
	Acquired, Released, Waits uint64
	// Refused counts callers turned away, Timeouts those of them for whom time ran out.
	Refused, Timeouts uint64
	// Created and CreateFailed count creations; Destroyed counts ends by reason, those that did not occur are absent.
	Created, CreateFailed uint64
	Destroyed             map[EndReason]uint64
	// Leaks counts the lendings that lasted, or have lasted, for longer than LeakThreshold.
	Leaks uint64
	// WaitTime is how long those who waited and were lent something waited together. UseTime is how long what was
	// released had been held, CreateTime how long the successful creations took.
	WaitTime, UseTime, CreateTime time.Duration
	// AffinityLooks counts lendings to callers with an affinity key, AffinityHits those that got what served the key last.
	AffinityLooks, AffinityHits uint64
	// Limit is how many may be lent at once: Max, or less where Adaptive has it so. LimitReason is why it is what it is,
	// LimitChanges how often it was changed for each reason, those that did not occur being absent. Both are empty without Adaptive.
	Limit        int
	LimitReason  LimitReason
	LimitChanges map[LimitReason]uint64
	// SlowHeld is how many resources calls with slow labels hold, SlowShare how many of the resources are theirs; what they hold
	// beyond that they have borrowed. HeldBack is how many callers wait because their tenant holds as many as it may.
	SlowHeld, SlowShare, HeldBack int
	// Failure is a [*CreateError] if the last try to create a resource failed, nil if it succeeded. It stays until the next
	// try, which is made when somebody needs one.
	Failure error
	// Classes are the numbers of each class, High first.
	Classes [priority.NumClasses]priority.ClassStats
}

// Class returns the numbers of class c.
func (s *Stats) Class(c priority.Class) priority.ClassStats {
	for _, cs := range s.Classes {
		if cs.Class == c {
			return cs
		}
	}
	return priority.ClassStats{Class: c}
}

// Stats returns the numbers of the instant.
func (p *Pool[T]) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	sched := p.sched.Stats()
	s := Stats{
		Total: len(p.all), Idle: len(p.idle), InUse: sched.InUse, Creating: p.creating, Closing: p.closing,
		Waiting: sched.Waiting, Min: p.cfg.Min, Max: p.cfg.Max,
		Released: p.counts.released, Created: p.counts.created, CreateFailed: p.counts.createFailed,
		Suspended: p.sched.Suspended(), Leaks: p.counts.leaks,
		UseTime: p.counts.useTime, CreateTime: p.counts.createTime,
		AffinityLooks: p.affinityLooks, AffinityHits: p.affinityHits,
		SlowHeld: sched.SlowHeld, SlowShare: sched.SlowShare, HeldBack: sched.HeldBack,
		Classes: sched.Classes,
	}
	for _, c := range sched.Classes {
		s.Acquired += c.Granted
		s.Waits += c.Waits
		s.WaitTime += c.WaitTime
		s.Refused += c.RefusedTotal()
		s.Timeouts += c.Refused[priority.Timeout] + c.Refused[priority.Deadline]
	}
	for reason, n := range p.counts.destroyed {
		if n == 0 {
			continue
		}
		if s.Destroyed == nil {
			s.Destroyed = make(map[EndReason]uint64)
		}
		s.Destroyed[EndReason(reason)] = n
	}
	p.limitStatsLocked(&s)
	if p.failures > 0 {
		s.Failure = &CreateError{Failures: p.failures, Err: p.failure}
	}
	return s
}

// Costs returns for how long resources are held, as far as that was learned: of all calls, and of those of each label, in no
// order. It is empty unless some rule wants to know: Shedding, SlowAfter, a cap, or tenants that have to share.
func (p *Pool[T]) Costs() []priority.Cost {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sched.Costs()
}

// Guess says how long calls with this label, or without one with this statement, will hold what they are lent, before one was
// seen: see [priority.Scheduler.Guess].
func (p *Pool[T]) Guess(label, statement string, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sched.Guess(label, statement, d)
}

// Info is what is known of one resource at one instant.
type Info[T any] struct {
	ID uint64
	// Value is the resource, the zero value while State is Creating. Whoever is not its holder may only use what is
	// safe for concurrent use in it.
	Value T
	State State
	// End is why it ends, if that is settled.
	End EndReason
	// Created is when it was created, zero while it is being created. Since is when it entered its state.
	Created, Since time.Time
	// Uses is how often it was lent. Epoch numbers the present lending, or the last.
	Uses, Epoch uint64
	// Class, Label, Tenant, User and Detail are those of the holder, zero if there is none.
	Class               priority.Class
	Label, Tenant, User string
	Detail              string
	// Affinity is the last affinity key that it served.
	Affinity string
}

// Resources returns what is known of each resource, in the order of their ids.
func (p *Pool[T]) Resources() []Info[T] {
	now, wall := mono.Now(), time.Now()
	at := func(t mono.Time) time.Time { return wall.Add(-now.Sub(t)) }
	p.mu.Lock()
	infos := make([]Info[T], 0, len(p.all))
	for _, r := range p.all {
		i := Info[T]{
			ID: r.id, State: r.state, End: r.doom, Since: at(r.since), Uses: r.uses, Epoch: r.epoch, Affinity: r.affinity,
		}
		if r.req != nil {
			i.Class, i.Label, i.Tenant, i.User, i.Detail = r.req.Class, r.req.Label, r.req.Tenant, r.req.User, r.req.Detail
		}
		if r.state != Creating {
			i.Value, i.Created = r.value, at(r.created)
		}
		if r.state == InUse {
			if i.End = p.fateLocked(r, now, EndNone); i.End != EndNone {
				i.State = Draining
			}
		}
		infos = append(infos, i)
	}
	p.mu.Unlock()
	slices.SortFunc(infos, func(a, b Info[T]) int { return cmp.Compare(a.ID, b.ID) })
	return infos
}

// holdersLocked returns who holds what, longest first.
func (p *Pool[T]) holdersLocked(now mono.Time) []Holder {
	var holders []Holder
	for _, r := range p.all {
		if r.state == InUse {
			holders = append(holders, r.holder(now))
		}
	}
	slices.SortFunc(holders, func(a, b Holder) int { return cmp.Compare(b.Held, a.Held) })
	return holders
}

// longestHoldersLocked returns who has held longest, as many as an error names, longest first. It sorts nothing: under
// overload it is asked for each caller that is turned away, while those who could be served wait for the lock.
func (p *Pool[T]) longestHoldersLocked(now mono.Time) []Holder {
	longest := make([]*resource[T], 0, maxHolders)
	for _, r := range p.all {
		if r.state != InUse {
			continue
		}
		at := len(longest)
		for at > 0 && longest[at-1].since > r.since {
			at--
		}
		if at == maxHolders {
			continue
		}
		longest = slices.Insert(longest[:min(len(longest), maxHolders-1)], at, r)
	}
	if len(longest) == 0 {
		return nil
	}
	holders := make([]Holder, len(longest))
	for i, r := range longest {
		holders[i] = r.holder(now)
	}
	return holders
}
