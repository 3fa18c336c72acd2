package lifecycle

import (
	"log/slog"
	"math"
	"time"

	"github.com/poolsql/poolsql/internal/adaptive"
	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/priority"
)

// Adaptive has a pool find out how much to lend at once. The zero value is off: the limit is Config.Max then.
//
// The limit moves between Min and Config.Max, by what proves to get more done; see package connector's configuration and
// docs/adaptive.md. No more is created for callers than the limit lets lend. What is above it stays idle, and is destroyed
// one at a time when it has been idle for a minute.
type Adaptive struct {
	On bool
	// Min is the least that the limit may be. It is always above Config.Reserve. Defaults to 1.
	Min int
}

// LimitReason says why the limit of a pool with Adaptive is what it is. It is "" where there is none.
type LimitReason string

// The reasons for a limit.
const (
	LimitBegin      LimitReason = "begin"      // it was put in force
	LimitConfigured LimitReason = "configured" // its bounds were changed
	LimitProbe      LimitReason = "probe"      // another one is being tried
	LimitBack       LimitReason = "back"       // what was tried was no better
	LimitGrow       LimitReason = "grow"       // more at once got more done
	LimitFlat       LimitReason = "flat"       // fewer at once got as much done
	LimitCrowded    LimitReason = "crowded"    // fewer at once got more done
	LimitLatency    LimitReason = "latency"    // uses took twice as long as before, and no more got done
	LimitTimeouts   LimitReason = "timeouts"   // too many uses ran out of time: Strain
	LimitRefused    LimitReason = "refused"    // there was no room for more: Strain
	LimitStarting   LimitReason = "starting"   // what is behind the resources was not ready: Strain
	LimitStalled    LimitReason = "stalled"    // nothing came back for long, and somebody waited
)

// Strain is something that says by itself that too much is asked of what is behind the resources.
type Strain uint8

// The strains.
const (
	StrainTimeout  Strain = iota // a use ran out of time
	StrainNoRoom                 // one more resource was refused, or what a use needed
	StrainNotReady               // it is starting, or about to end
)

const (
	// trimAfter is for how long what the limit leaves unused must have been idle to be destroyed, one every trimPause. It is
	// longer than any trial of another limit.
	trimAfter = time.Minute
	trimPause = 10 * time.Second
	// trimSpare is how much more than the limit is kept: what trials need, and some.
	trimSpare = 1.25
)

// bounds returns what the limit is to stay within.
func (c *Config[T]) bounds() adaptive.Bounds {
	return adaptive.Bounds{Min: max(1, c.Adaptive.Min), Max: c.Max, Reserve: c.Reserve}
}

// adaptAnewLocked puts the configuration of the limit in force.
func (p *Pool[T]) adaptAnewLocked(now mono.Time, rep *report[T]) {
	switch {
	case !p.cfg.Adaptive.On:
		p.adapt = nil
		p.sched.SetMost(0)
	case p.adapt == nil:
		p.adapt = adaptive.New(p.cfg.bounds(), now)
		p.sched.SetMost(p.adapt.Limit())
	default:
		before := p.adapt.Limit()
		if p.adapt.SetBounds(p.cfg.bounds(), now) {
			p.limitedLocked(before, rep)
		}
	}
}

// adaptLocked tells the limit of a resource that comes back, whose permit is still out. Who waits is served, under what the limit is
// then, by the caller.
func (p *Pool[T]) adaptLocked(label string, used time.Duration, now mono.Time, rep *report[T]) {
	if !p.adapt.Done(now, label, used, p.sched.Out(), p.sched.Waiting() > 0) {
		return
	}
	before := p.adapt.Limit()
	if p.adapt.Step(now) {
		p.limitedLocked(before, rep)
		p.planLocked(rep)
	}
}

// limitedLocked puts a changed limit in force.
func (p *Pool[T]) limitedLocked(before int, rep *report[T]) {
	limit, why := p.adapt.Limit(), p.adapt.Reason()
	p.sched.SetMost(limit)
	p.limitChanges[why]++
	p.note(rep, Event{Kind: KindLimit, Before: before, Count: limit, Code: why.String()})
}

// Strain tells a pool with Adaptive of something that says by itself that the limit is too high. It does nothing to
// others. It may be called by whoever holds a resource, and by Create.
func (p *Pool[T]) Strain(s Strain) {
	now := mono.Now()
	var rep report[T]
	p.mu.Lock()
	if p.adapt == nil || p.phase != open {
		p.mu.Unlock()
		return
	}
	fault := [...]adaptive.Fault{adaptive.TimedOut, adaptive.NoRoom, adaptive.NotReady}[s]
	before := p.adapt.Limit()
	if p.adapt.Note(fault, p.live, now) {
		p.limitedLocked(before, &rep)
	}
	p.mu.Unlock()
	p.carryOut(&rep)
}

// adaptDueLocked returns when the keeper is to look at the limit.
func (p *Pool[T]) adaptDueLocked() mono.Time {
	at := mono.Time(math.MaxInt64)
	if w := p.sched.Oldest(); w != nil && p.limitHoldsLocked() {
		at = p.adapt.StallsAt(w.Since())
	}
	if p.surplusLocked() > 0 {
		at = min(at, p.trimAtLocked())
	}
	return at
}

// limitHoldsLocked reports whether it is the limit that keeps callers waiting, and it could be higher.
func (p *Pool[T]) limitHoldsLocked() bool {
	limit := p.adapt.Limit()
	return p.sched.Waiting() > 0 && !p.sched.Suspended() && limit < p.cfg.Max && p.sched.Out() >= max(1, limit-p.cfg.Reserve)
}

// surplusLocked returns how many are idle, above the minimum and above what the limit may need.
func (p *Pool[T]) surplusLocked() int {
	kept := max(p.cfg.Min, p.warm, int(math.Ceil(trimSpare*float64(p.adapt.Limit()))))
	return min(len(p.idle), p.live-kept)
}

// trimAtLocked returns when the next that the limit leaves unused is to go.
func (p *Pool[T]) trimAtLocked() mono.Time {
	at := p.idle[0].since.Add(trimAfter)
	if p.trimmed != 0 {
		at = max(at, p.trimmed.Add(trimPause))
	}
	return at
}

// adaptKeepLocked is the keeper's part: it lets one more go where nothing comes back, and ends one of those that the limit leaves
// unused.
func (p *Pool[T]) adaptKeepLocked(now mono.Time, b *priority.Batch, rep *report[T]) {
	if w := p.sched.Oldest(); w != nil && p.limitHoldsLocked() {
		before := p.adapt.Limit()
		if p.adapt.Stalled(now, w.Since()) {
			p.limitedLocked(before, rep)
			p.dispatchLocked(now, b)
		}
	}
	if p.surplusLocked() > 0 && now >= p.trimAtLocked() {
		r := p.idle[0] // the one that has been idle for longest
		p.idle = append(p.idle[:0], p.idle[1:]...)
		p.trimmed = now
		p.note(rep, Event{Kind: KindEviction, Resource: r.id, Reason: EndIdleTimeout, Count: 1})
		p.retireLocked(r, EndIdleTimeout, now, rep)
	}
}

func (p *Pool[T]) limitStatsLocked(s *Stats) {
	s.Limit = p.cfg.Max
	if p.adapt == nil {
		return
	}
	s.Limit, s.LimitReason = p.adapt.Limit(), LimitReason(p.adapt.Reason().String())
	for why, n := range p.limitChanges {
		if n == 0 {
			continue
		}
		if s.LimitChanges == nil {
			s.LimitChanges = make(map[LimitReason]uint64)
		}
		s.LimitChanges[LimitReason(adaptive.Reason(why).String())] = n
	}
}

// logLevelOfLimit tells what a strain caused from what is found out in daily life, and that from trials.
func logLevelOfLimit(why LimitReason) slog.Level {
	switch why {
	case LimitProbe, LimitBack:
		return slog.LevelDebug
	case LimitTimeouts, LimitRefused, LimitStarting, LimitLatency, LimitStalled:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}
