package bank

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/poolsql/poolsql/priority"
)

// breath is how long a worker pauses after a failure. While nothing can be had, callers are turned away at once; without it
// they would do nothing but be turned away.
const breath = 2 * time.Millisecond

// A Load is workers that transfer money until they are stopped.
type Load struct {
	db      *sql.DB
	plan    Plan
	journal *Journal
	ids     atomic.Int64
	stop    chan struct{}
	workers sync.WaitGroup
	ended   chan struct{} // closed when the last worker has ended
}

// A Plan says what the workers do.
type Plan struct {
	// Workers is how many there are. Each does one transfer at a time.
	Workers int
	// Seed is the seed of what is done at random.
	Seed uint64
	// Pause is how long a worker waits between two transfers. Zero is not at all: the rate is then whatever the machine
	// has left.
	Pause time.Duration
	// Repeatable says that all transfers are single statements that may be repeated, of callers that wait as long as it
	// takes. By default they are of all kinds.
	Repeatable bool
}

// Start begins transfers.
func Start(db *sql.DB, plan Plan) *Load {
	l := &Load{db: db, plan: plan, journal: newJournal(), stop: make(chan struct{}), ended: make(chan struct{})}
	for n := range plan.Workers {
		w := &worker{load: l, rnd: rand.New(rand.NewPCG(plan.Seed, uint64(n)))}
		l.workers.Go(w.run)
	}
	go func() {
		l.workers.Wait()
		close(l.ended)
	}()
	return l
}

// Journal is where what happens is written.
func (l *Load) Journal() *Journal { return l.journal }

// Stop tells the workers to begin no more transfers. Ended is closed when the last one has ended its own.
func (l *Load) Stop() (ended <-chan struct{}) {
	close(l.stop)
	return l.ended
}

type worker struct {
	load *Load
	rnd  *rand.Rand
}

func (w *worker) run() {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-w.load.stop:
			return
		case <-pause.C:
		}
		pause.Reset(w.transfer())
	}
}

func (w *worker) way() *way {
	if w.load.plan.Repeatable {
		return &repeatable
	}
	return &ways[w.rnd.IntN(len(ways))]
}

// transfer does one transfer and writes down how it ended. It returns how long to wait before the next.
func (w *worker) transfer() time.Duration {
	t := transfer{id: w.load.ids.Add(1), debit: w.rnd.IntN(accounts), amount: 1 + w.rnd.Int64N(100)}
	t.credit = (t.debit + 1 + w.rnd.IntN(accounts-1)) % accounts
	way := w.way()
	ctx := priority.NewContext(context.Background(), priority.Options{
		Class:  priority.Classes()[w.rnd.IntN(priority.NumClasses)],
		Label:  way.name,
		Tenant: []string{"", "north", "south"}[w.rnd.IntN(3)],
	})
	p := &patience{ctx: ctx, cancel: func() {}}
	if !w.load.plan.Repeatable {
		p = w.patience(ctx)
	}
	sent, err := way.do(p.ctx, w.load.db, &t)
	p.end(way, w.load.journal)
	outcome := judge(err)
	if !sent && err != nil {
		outcome = NotDone
	}
	inspect(w.load.journal, way, &t, p, outcome, err)
	w.load.journal.write(entry{transfer: t, outcome: outcome, way: way.name, gaveUp: p.gone || p.limited, err: err})
	if err != nil {
		return max(breath, w.load.plan.Pause)
	}
	return w.load.plan.Pause
}
