package connector

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/mono"
)

const (
	// probeLimit is how long a server may take to say how far it is; one that does not is ejected.
	probeLimit = time.Second
	// probeGap is the time between two rounds at least, however many ask for one.
	probeGap = 25 * time.Millisecond
	// probeIdle is for how long rounds go on when nobody reads any more.
	probeIdle = time.Minute
	// maxMarks bounds how many places of the primary are kept, to find how far behind a replica is.
	maxMarks = 256
)

// A prober asks the primary how far it has come, and then each replica how far it has replayed, in rounds. What a replica
// has at a place that the primary had reached at some time, it has of all that was committed before that time. So both how
// far it is behind and whether it has a write are known by one clock, ours: those of the servers do not matter, nor whether
// there is anything to replay.
//
// It has connections of its own, outside of the pools, since a pool in which everybody waits is no reason to take its server
// for sick. It runs from the first read that may go to a replica on, until none came for probeIdle.
type prober struct {
	routes *routes
	ctx    context.Context // ends with the connector
	cancel context.CancelFunc
	used   atomic.Int64 // when a read came last, a mono.Time
	ready  atomic.Bool  // it runs, and a round is done
	wake   chan struct{}

	mu      sync.Mutex
	running bool
	closed  bool
	first   chan struct{} // closed when the first round is done
	ended   chan struct{} // closed when the goroutine that ran last has ended; nil if none has run
	group   sync.WaitGroup

	// Of the goroutine that runs the rounds, and of those that it waits for.
	primary probed
	others  []probed
	marks   []mark
	started string // when the primary's server was started, which tells it from others
}

// A mark is a place that the primary had not passed before a time.
type mark struct {
	at    mono.Time
	place uint64
}

// A probed is a server that is asked, and the connection for that.
type probed struct {
	pool *Connector
	conn *pooldriver.Conn
}

func (p *prober) init(rs *routes) {
	p.routes = rs
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.wake = make(chan struct{}, 1)
}

// use notes that a read came, and sees to it that there is something to go by: the first one waits for the first round, for
// probeLimit at most.
func (p *prober) use(ctx context.Context) {
	p.used.Store(int64(mono.Now()))
	if p.ready.Load() {
		return
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	if !p.running {
		before, ended := p.ended, make(chan struct{})
		p.running, p.first, p.ended = true, make(chan struct{}), ended
		p.group.Add(1)
		go p.run(p.first, before, ended)
	}
	first := p.first
	p.mu.Unlock()
	limit := time.NewTimer(probeLimit)
	defer limit.Stop()
	select {
	case <-first:
	case <-ctx.Done():
	case <-limit.C:
	}
}

// kick asks for a round soon.
func (p *prober) kick() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *prober) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cancel()
}

// wait returns when nothing of it is left, after close.
func (p *prober) wait() { p.group.Wait() }

// run runs the rounds, after the goroutine before this one, if there was one, has hung up: they have the connections in common.
func (p *prober) run(first, before, ended chan struct{}) {
	defer p.group.Done()
	defer close(ended)
	if before != nil {
		<-before
	}
	defer p.hangUp()
	p.primary.pool = p.routes.connector
	p.others = make([]probed, len(p.routes.all))
	for i, rt := range p.routes.all {
		p.others[i].pool = rt.pool
	}
	for round := 0; ; round++ {
		p.round()
		if round == 0 {
			p.ready.Store(true)
			close(first)
		}
		if !p.pause() {
			return
		}
	}
}

// pause waits until the next round is due, and reports whether there is one.
func (p *prober) pause() bool {
	began := mono.Now()
	timer := time.NewTimer(p.routes.connector.current.Load().cfg.ReplicaCheckInterval)
	defer timer.Stop()
	select {
	case <-p.ctx.Done():
	case <-timer.C:
	case <-p.wake:
		select {
		case <-p.ctx.Done():
		case <-time.After(max(0, probeGap-mono.Since(began))):
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx.Err() == nil && mono.Since(mono.Time(p.used.Load())) < probeIdle {
		return true
	}
	p.running = false
	p.ready.Store(false)
	return false
}

// hangUp closes the connections.
func (p *prober) hangUp() {
	p.primary.hangUp()
	for i := range p.others {
		p.others[i].hangUp()
	}
	p.marks = nil
}

// round asks each server once.
func (p *prober) round() {
	began := mono.Now()
	if p.routes.connector.current.Load().cfg.ConnConfig != nil {
		switch w, err := p.primary.ask(p.ctx); {
		case err != nil:
		case w.standby: // it was the primary, or never: whoever is now is found by dialing anew
			p.primary.hangUp()
		default:
			p.started = w.started
			if len(p.marks) == maxMarks {
				p.marks = append(p.marks[:0], p.marks[1:]...)
			}
			p.marks = append(p.marks, mark{began, w.place})
		}
	}
	var wg sync.WaitGroup
	for i, rt := range p.routes.all {
		rt.reckon()
		h := rt.health.Load()
		if rt.byName || !rt.asked || h.ejected != 0 && mono.Now() < h.ejected {
			continue
		}
		wg.Go(func() { p.learn(rt, &p.others[i]) })
	}
	wg.Wait()
}

// learn asks a route's server.
func (p *prober) learn(rt *route, server *probed) {
	w, err := server.ask(p.ctx)
	if p.ctx.Err() != nil {
		return
	}
	limit := p.routes.connector.current.Load().cfg.MaxReplicaLag
	switch {
	case err == nil:
	case errors.Is(err, errNoPlace) && limit == 0: // it lives, and that is all that is asked of it
		rt.admit(limit, func(h *routeHealth) { h.same, h.fresh, h.lag = false, 0, 0 })
		return
	default:
		rt.eject(err)
		return
	}
	same := !w.standby && p.started != "" && w.started == p.started
	if !w.standby && !same && limit > 0 {
		rt.eject(errors.New("is no standby of the primary: it accepts writes of its own"))
		return
	}
	rt.admit(limit, func(h *routeHealth) {
		h.same = same
		if !w.standby || len(p.marks) == 0 {
			h.lag = 0
			return
		}
		for _, m := range p.marks {
			if m.place <= w.place {
				h.fresh = max(h.fresh, m.at)
			}
		}
		newest := p.marks[len(p.marks)-1].at
		if h.fresh == 0 { // behind all that is known
			h.lag = max(h.lag, newest.Sub(p.marks[0].at))
			return
		}
		h.lag = newest.Sub(h.fresh)
	})
}

// reckon learns how long a lending takes there of late. What nobody has used lately is forgotten little by little, so that
// it is tried again.
func (rt *route) reckon() {
	released, used := rt.pool.pool.Turnover()
	n, took := released-rt.released, used-rt.used
	rt.released, rt.used = released, used
	before := math.Float64frombits(rt.cost.Load())
	after := before * 0.9
	if n > 0 {
		after = float64(took) / float64(n)
		if before > 0 {
			after = before*0.7 + after*0.3
		}
	}
	rt.cost.Store(math.Float64bits(after))
}

// whereabouts is what a server says of itself.
type whereabouts struct {
	standby bool
	place   uint64 // in the write-ahead log: of a primary, how far it is; of a standby, how far it has replayed
	started string
}

const whereaboutsQuery = `select pg_is_in_recovery(), case when pg_is_in_recovery() then pg_last_wal_replay_lsn() ` +
	`else pg_current_wal_insert_lsn() end::text, pg_postmaster_start_time()::text`

// errNoPlace says that a server lives and does not tell how far it is.
var errNoPlace = errors.New("the server does not tell how far it is")

// ask asks the server, on a connection that is opened if there is none.
func (s *probed) ask(ctx context.Context) (whereabouts, error) {
	e := s.pool.current.Load()
	limit := probeLimit
	if s.conn == nil {
		limit = max(limit, min(e.cfg.ConnectTimeout, 5*time.Second))
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if s.conn == nil {
		conn, err := pooldriver.Open(ctx, func(ctx context.Context) (driver.Conn, error) { return e.dial(ctx) }, &e.opts)
		if err != nil {
			return whereabouts{}, err
		}
		s.conn = conn
	}
	var w whereabouts
	var place *string
	row := s.conn.Pgx().QueryRow(ctx, whereaboutsQuery, pgx.QueryExecModeSimpleProtocol)
	if err := row.Scan(&w.standby, &place, &w.started); err != nil {
		alive := !s.conn.Pgx().IsClosed() && ctx.Err() == nil
		if !alive {
			s.hangUp()
			return w, err
		}
		return w, errNoPlace
	}
	if place == nil {
		return w, errNoPlace
	}
	var err error
	w.place, err = parsePlace(*place)
	return w, err
}

func (s *probed) hangUp() {
	if s.conn != nil {
		_ = s.conn.Close(context.Background())
		s.conn = nil
	}
}

// pageSize and pageHeader are PostgreSQL's, of its write-ahead log.
const (
	pageSize   = 8192
	pageHeader = 40 // of the first page of a file; others have less
)

// parsePlace reads a pg_lsn. Nothing ends in the header of a page; a primary that has filled a page says that it is behind
// the next one's header, and a standby that it is before.
func parsePlace(text string) (uint64, error) {
	var high, low uint64
	if _, err := fmt.Sscanf(text, "%X/%X", &high, &low); err != nil {
		return 0, errNoPlace
	}
	place := high<<32 | low
	if within := place % pageSize; within <= pageHeader {
		place -= within
	}
	return place, nil
}
