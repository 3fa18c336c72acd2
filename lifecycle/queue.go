package lifecycle

import (
	"context"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/priority"
)

// queue makes the caller, who came at since, wait its turn. again is set for one who had a resource and lost it: it goes
// before all others of its class.
func (p *Pool[T]) queue(ctx context.Context, req *Request, since mono.Time, again bool) (Handle[T], error) {
	w := priority.NewWaiter(ctx, &req.Options, since)
	defer w.Free()
	w.SetValue(req) // until the grant, when it becomes the resource
	var b priority.Batch
	var rep report[T]

	p.mu.Lock()
	if p.phase != open {
		p.mu.Unlock()
		return Handle[T]{}, p.turnAway(ctx, req, since, priority.Closed, p.shutCause())
	}
	now := mono.Now()
	var use priority.Use
	if p.sched.Admit(&req.Options, now, &use) {
		r := p.lendLocked(req, req.Class, req.Particular(), now)
		r.use = use
		if again {
			r.waited = max(0, now.Sub(since))
		}
		h := Handle[T]{pool: p, res: r, epoch: r.epoch}
		p.mu.Unlock()
		return h, nil
	}
	if err := p.hopelessLocked(req); err != nil {
		p.sched.RefuseAll(priority.Unavailable, err, true, &b) // it is as hopeless for them
		p.mu.Unlock()
		b.Wake()
		return Handle[T]{}, p.turnAway(ctx, req, since, priority.Unavailable, err)
	}
	if req.Owner != nil {
		if n, _ := p.deadlockLocked(req.Owner, req.Class); n > 0 {
			p.mu.Unlock()
			return Handle[T]{}, p.turnAway(ctx, req, since, priority.Deadlock, deadlockError(n))
		}
	}
	if !p.crowded.Load() {
		p.crowded.Store(true)
	}
	queued := true
	if again {
		p.sched.EnqueueFront(w)
	} else {
		queued = p.sched.Enqueue(w, &b)
	}
	if queued && req.Owner != nil {
		p.waitsLocked(req.Owner, w)
		defer p.waited(req.Owner)
	}
	p.planLocked(&rep)
	p.turnsLocked(&rep)
	p.mu.Unlock()
	b.Wake()
	p.carryOut(&rep)
	if !queued {
		return Handle[T]{}, p.describe(ctx, req, w.Refusal(ctx, &req.Options))
	}

	if !w.Wait(ctx) && !p.leave(ctx, w, req) {
		return Handle[T]{}, p.describe(ctx, req, w.Refusal(ctx, &req.Options))
	}
	if !w.Granted() {
		return Handle[T]{}, p.describe(ctx, req, w.Refusal(ctx, &req.Options))
	}
	r := w.Value().(*resource[T])
	return Handle[T]{pool: p, res: r, epoch: r.epoch}, nil
}

// leave takes w off the queue because ctx ended, and reports whether it was too late for that and w was refused. A
// resource that was granted in the same instant goes to the next.
func (p *Pool[T]) leave(ctx context.Context, w *priority.Waiter, req *Request) (decided bool) {
	reason, _ := priority.ReasonOf(ctx)
	p.mu.Lock()
	left := p.sched.Leave(w, reason)
	p.mu.Unlock()
	if left {
		return false
	}
	w.Settle()
	if !w.Granted() {
		return true
	}
	r := w.Value().(*resource[T])
	p.mu.Lock()
	p.sched.CountRefusal(req.Class, reason)
	p.mu.Unlock()
	p.giveBack(r, r.epoch, EndNone, false)
	return false
}

// dispatchLocked lends what is idle to those who may have it.
func (p *Pool[T]) dispatchLocked(now mono.Time, b *priority.Batch) {
	for w := p.sched.Next(now, b); w != nil; w = p.sched.Next(now, b) {
		r := p.lendLocked(w.Value().(*Request), w.Class(), w.Particular(), now)
		r.waited, r.use = max(0, now.Sub(w.Since())), w.Use()
		w.SetValue(r)
		b.Add(w)
	}
	if p.quiet != nil {
		p.quietLocked()
	}
	if p.shrunk {
		p.breakDeadlockLocked(b)
	}
}

// expire turns away those who waited too long, and serves those who may go since some time has passed. The scheduler's alarm calls it.
func (p *Pool[T]) expire() {
	var b priority.Batch
	var rep report[T]
	p.mu.Lock()
	now := mono.Now()
	p.sched.Expire(now, &b)
	p.dispatchLocked(now, &b)
	p.turnsLocked(&rep)
	p.mu.Unlock()
	b.Wake()
	p.carryOut(&rep)
}

// turnsLocked notes which classes became overloaded, or are not any more. Somebody waits, or nobody does since just now.
func (p *Pool[T]) turnsLocked(rep *report[T]) {
	for _, t := range p.sched.Turns() {
		e := Event{Kind: KindOverload, Class: t.Class, Code: priority.ShedOn.String(), Duration: t.Lasted, Count: int(t.Refused)}
		if !t.Overloaded {
			e.Kind = KindRelief
		}
		if t.DryRun {
			e.Code = priority.ShedDryRun.String()
		}
		p.note(rep, e)
	}
}
