package bank

import (
	"context"
	"math"
	"time"

	"github.com/poolsql/poolsql/priority"
)

// A patience is how long one caller waits for its transfer.
type patience struct {
	ctx    context.Context
	cancel context.CancelFunc
	// limited says that the caller has a limit that is not in the context's end.
	limited bool
	left    chan time.Time // has when the caller gave up, if it did on its own
	timer   *time.Timer
	gone    bool // set by end: the caller had given up when the transfer returned
}

// patience decides it at random: most have all the time, some have a deadline, some give up, some limit each statement. The
// moments are spread evenly over the magnitudes between 0.2 and 200 ms, so that every step of a transfer is hit, on a fast
// network and on a slow one.
func (w *worker) patience(ctx context.Context) *patience {
	p := &patience{ctx: ctx, cancel: func() {}}
	moment := time.Duration(200e3 * math.Pow(1000, w.rnd.Float64()))
	switch w.rnd.IntN(12) {
	case 0, 1:
		p.ctx, p.cancel = context.WithTimeout(ctx, moment)
	case 2, 3:
		p.ctx, p.cancel = context.WithCancel(ctx)
		p.left = make(chan time.Time, 1)
		p.timer = time.AfterFunc(moment, func() {
			p.left <- time.Now()
			p.cancel()
		})
	case 4:
		p.ctx, p.limited = priority.WithTimeout(ctx, max(moment, time.Millisecond)), true
	}
	return p
}

// end is called when the transfer has returned, and tells the journal if it did so late.
func (p *patience) end(w *way, j *Journal) {
	now := time.Now()
	p.gone = p.ctx.Err() != nil
	if deadline, ok := p.ctx.Deadline(); ok && now.After(deadline) {
		j.late(w, now.Sub(deadline))
	}
	if p.timer != nil && !p.timer.Stop() {
		j.late(w, max(0, now.Sub(<-p.left)))
	}
	p.cancel()
}

// unlimited reports whether nothing but the pool's own limits could end the transfer.
func (p *patience) unlimited() bool {
	_, ok := p.ctx.Deadline()
	return !ok && p.timer == nil && !p.limited
}
