package health

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/connector/pgbouncer"
)

// A Monitor judges the health of one pool. Safe for concurrent use.
type Monitor struct {
	pool   *connector.Connector
	cfg    Config
	ears   ears
	deaf   func() // takes the ears off the pool
	client *pgbouncer.Client
	own    bool   // client is the monitor's, to be closed by it
	dbname string // what the pool's database is called at PgBouncer

	ctx    context.Context // ends at Close
	cancel context.CancelFunc
	work   sync.WaitGroup // ticks and checks under way

	closing   sync.Once // for letGo
	listening listening

	// mu guards what follows. Nothing foreign is called and nothing is read from the pool while it is held.
	mu       sync.Mutex
	started  bool
	closed   bool
	timer    *time.Timer
	samples  samples
	probe    probe
	console  *PgBouncer // what it said last, never changed
	checking bool       // a goroutine asks the database or the console
	judged   judgement
	history  history
	told     Status // that was told last, at toldAt
	toldAt   time.Time
}

// New returns a monitor of the pool. It does no I/O, starts no goroutine and no timer; it listens to the pool's events
// from now until [Monitor.Close]. It fails if the configuration is bad, the monitor's or the pool's.
func New(pool *connector.Connector, cfg Config) (*Monitor, error) {
	if pool == nil {
		return nil, errNoPool
	}
	if err := errors.Join(pool.Err(), cfg.Validate()); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	m := &Monitor{pool: pool, cfg: cfg, client: cfg.PgBouncer}
	if err := m.findConsole(); err != nil {
		return nil, err
	}
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.samples.init(cfg.Window)
	m.ears.init()
	m.probe.known.State = unknown
	m.deaf = pool.ObserveOwn(&m.ears)
	return m, nil
}

var errNoPool = errors.New("health: there is no pool to judge")

// Pool returns the pool that the monitor judges.
func (m *Monitor) Pool() *connector.Connector { return m.pool }

// Start begins to judge: at once, and then once a second by what the pool has counted. Every Config.Interval the judgement
// is told to the pool's observers, and the database and PgBouncer are asked, on a goroutine that ends when they have
// answered. Starting what was started or closed does nothing.
func (m *Monitor) Start() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.started || m.closed {
		return
	}
	m.started = true
	m.timer = time.AfterFunc(0, m.tick)
}

// Close ends what Start began and returns when nothing of it is left: a probe under way is canceled. It must not be called
// by an observer that the monitor tells. Reports can be asked for still. A monitor whose pool is closed, and has no
// connection left, ends by itself; Close may be called all the same.
func (m *Monitor) Close() error {
	m.end()
	m.work.Wait()
	m.letGo()
	return nil
}

// letGo lets go of what is used until the last tick.
func (m *Monitor) letGo() {
	m.closing.Do(func() {
		m.listening.end()
		if m.own {
			_ = m.client.Close() // what it may fail to say is a goodbye
		}
	})
}

// end stops the clock and whatever runs, without waiting for it.
func (m *Monitor) end() {
	m.mu.Lock()
	m.closed = true
	if m.timer != nil {
		m.timer.Stop()
	}
	m.mu.Unlock()
	m.cancel()
	m.deaf()
}

// enter reports whether something may run, which then has to call work.Done.
func (m *Monitor) enter() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false
	}
	m.work.Add(1)
	return true
}

// tick is what happens once a second.
func (m *Monitor) tick() {
	if !m.enter() {
		return
	}
	defer m.work.Done()
	select {
	case <-m.pool.Done():
		m.judge(m.look())
		m.tell()
		m.end()
		m.letGo()
		return
	default:
	}
	turned := m.judge(m.look())
	m.listen()
	m.act(turned)
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.timer.Reset(sampleEvery)
	}
}

// act tells the judgement, and asks the database and the console, as far as it is time to. turned says that the status has
// changed.
func (m *Monitor) act(turned bool) {
	now := time.Now()
	m.mu.Lock()
	due := m.toldAt.IsZero() || now.Sub(m.toldAt) >= m.cfg.Interval
	last := m.samples.last()
	ask := !m.cfg.NoProbe && last.shut == open && !last.suspended && m.probe.due(now, due, m.cfg.Interval)
	check := !m.checking && (ask || due && m.client != nil)
	if due || turned {
		m.toldAt = now
	}
	if check {
		m.checking = true
		m.work.Add(1)
	}
	first := m.told == Unknown // of which nobody is told before the database was asked
	m.mu.Unlock()
	if !check && (due || turned) || turned && !first {
		m.tell()
	}
	if check {
		go m.check(ask, due)
	}
}

// check asks the database, if ask says so, and the console, and judges what they say.
func (m *Monitor) check(ask, tell bool) {
	defer m.work.Done()
	m.askConsole()
	if ask {
		m.askDatabase()
	}
	m.mu.Lock()
	m.checking = false
	m.mu.Unlock()
	if m.ctx.Err() != nil {
		return
	}
	if turned := m.judgeAgain(); tell || turned {
		m.tell()
	}
}

// refresh judges anew if the last look is older than what is looked at in between.
func (m *Monitor) refresh() {
	m.mu.Lock()
	fresh := m.samples.fresh(time.Now())
	m.mu.Unlock()
	if !fresh {
		m.judge(m.look())
	}
}
