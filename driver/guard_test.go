package pooldriver_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"

	"github.com/poolsql/poolsql"
	pooldriver "github.com/poolsql/poolsql/driver"
)

// A network is what a pool dials through, with faults that can be switched on at any time.
type network struct {
	black       atomic.Bool  // nothing comes through any more, and nothing ends
	mute        atomic.Bool  // the ends of requests to cancel are not heard
	refuse      atomic.Bool  // requests to cancel are refused
	noDeadlines atomic.Bool  // sockets have no deadlines
	delay       atomic.Int64 // of each write of a main connection, in nanoseconds

	mains, sides atomic.Int64 // connections that were dialed, and requests to cancel
	open, peak   atomic.Int64 // requests to cancel that are open now, and the most that ever were
	packets      atomic.Int64 // requests to cancel that were written

	mu    sync.Mutex // guards wires
	wires []*wire    // of main connections
}

var errRefused = errors.New("refused by the test")

// through has a pool dial through n.
func (n *network) through(cfg *poolsql.Config) {
	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		side := calledByCancelRequest()
		if side {
			n.sides.Add(1)
			if n.refuse.Load() {
				return nil, errRefused
			}
			if now := n.open.Add(1); now > n.peak.Load() {
				n.peak.Store(now) // two at once may miss one; the limit is looked for with many
			}
		} else {
			n.mains.Add(1)
		}
		if n.black.Load() {
			<-ctx.Done()
			if side {
				n.open.Add(-1)
			}
			return nil, ctx.Err()
		}
		conn, err := dial(ctx, network, address)
		if err != nil {
			if side {
				n.open.Add(-1)
			}
			return nil, err
		}
		w := &wire{Conn: conn, network: n, side: side}
		w.silence, w.other = net.Pipe()
		if !side {
			n.mu.Lock()
			n.wires = append(n.wires, w)
			n.mu.Unlock()
		}
		return w, nil
	}
}

func calledByCancelRequest() bool {
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		f, more := frames.Next()
		if strings.HasSuffix(f.Function, ".CancelRequest") {
			return true
		}
		if !more {
			return false
		}
	}
}

// tcp has a pool use TCP where its configuration says a Unix socket.
func tcp(cfg *poolsql.Config) {
	cfg.ConnConfig.Host, cfg.ConnConfig.Fallbacks = "127.0.0.1", nil
}

// A wire is a connection of a network.
type wire struct {
	net.Conn
	network        *network
	side           bool
	silence, other net.Conn // a read of silence waits as long as one of the network would
	once           sync.Once
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	var timeout net.Error
	if errors.Is(err, net.ErrClosed) || (errors.As(err, &timeout) && timeout.Timeout()) {
		return n, err
	}
	if w.network.black.Load() || (w.side && w.network.mute.Load()) {
		return w.silence.Read(b)
	}
	return n, err
}

func (w *wire) Write(b []byte) (int, error) {
	if w.side && len(b) >= 16 && binary.BigEndian.Uint32(b[4:]) == 80877102 {
		w.network.packets.Add(1)
	}
	if w.network.black.Load() {
		return len(b), nil
	}
	if d := time.Duration(w.network.delay.Load()); d > 0 && !w.side {
		time.Sleep(d)
	}
	return w.Conn.Write(b)
}

var errNoDeadlines = errors.New("no deadlines here")

func (w *wire) SetDeadline(t time.Time) error {
	if w.network.noDeadlines.Load() {
		return errNoDeadlines
	}
	_ = w.silence.SetDeadline(t)
	return w.Conn.SetDeadline(t)
}

func (w *wire) SetReadDeadline(t time.Time) error {
	if w.network.noDeadlines.Load() {
		return errNoDeadlines
	}
	_ = w.silence.SetReadDeadline(t)
	return w.Conn.SetReadDeadline(t)
}

func (w *wire) SetWriteDeadline(t time.Time) error {
	if w.network.noDeadlines.Load() {
		return errNoDeadlines
	}
	return w.Conn.SetWriteDeadline(t)
}

func (w *wire) Close() error {
	w.once.Do(func() {
		_, _ = w.silence.Close(), w.other.Close()
		if w.side {
			w.network.open.Add(-1)
		}
	})
	return w.Conn.Close()
}

// reap ends what the server still runs of connections that the network has swallowed: a statement that sleeps does not
// notice that its client is gone.
func (f *fixture) reap() {
	f.t.Helper()
	if _, err := f.outside().Exec(f.ctx, `select pg_terminate_backend(pid) from pg_stat_activity
		where datname = current_database() and pid <> pg_backend_pid()`); err != nil {
		f.t.Error(err)
	}
}

// settled reports an error unless every slot is usable again soon, and no connection dies any more.
func (f *fixture) settled() {
	f.t.Helper()
	watch := startWatch()
	f.await("dying connections to be gone", func() bool { s := f.c.Stats(); return s.ClosingConns == 0 && s.InUseConns == 0 })
	watch.within(f.t, 2*time.Second, "to make every slot usable again")
}

// Each transport that sockets may be of.
var transports = map[string]func(*poolsql.Config){"unix": func(*poolsql.Config) {}, "tcp": tcp}

// A host that pgx asks what it is, and does not want, is no connection that serves: what is dialed next is not a request
// to cancel, and must not be limited like one.
func TestHostsThatAreNotWantedDoNotUseUpTheRequestsToCancel(t *testing.T) {
	t.Parallel()
	var n network
	unwanted := errors.New("not this one")
	f := patient(t, 6, tcp, n.through, func(cfg *poolsql.Config) {
		cc := cfg.ConnConfig
		cc.Fallbacks = []*pgconn.FallbackConfig{{Host: cc.Host, Port: cc.Port}}
		cfg.BeforeConnect = func(_ context.Context, cc *pgx.ConnConfig) error {
			asked := 0
			cc.ValidateConnect = func(ctx context.Context, pg *pgconn.PgConn) error {
				if asked++; asked == 1 {
					if err := pg.Exec(ctx, "select 1").Close(); err != nil {
						return err
					}
					return unwanted
				}
				return nil
			}
			return nil
		}
		cfg.MaxCancels, cfg.ConnectTimeout = 2, patience
	})
	f.serves(6)
	if n.sides.Load() != 0 {
		t.Errorf("%d requests to cancel", n.sides.Load())
	}
	before := f.pid()
	if err := f.sleep(50 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if after := f.pid(); after != before && f.c.Stats().NewConnsCount != 6 {
		t.Error("a canceled statement has cost its connection")
	}
}

// sleep runs a statement that takes too long, on the pool.
func (f *fixture) sleep(limit time.Duration) error {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.ctx, limit)
	defer cancel()
	_, err := f.db.ExecContext(ctx, "select pg_sleep(60)")
	return err
}

// Programs open connections of their own by the configuration of one of the pool's. Those are none of the pool's.
func TestConnectionOpenedByACopyOfTheConfigurationIsNotThePools(t *testing.T) {
	t.Parallel()
	var n network
	f := patient(t, 1, tcp, n.through, func(cfg *poolsql.Config) { cfg.MaxCancels = 1 })
	var cfg *pgx.ConnConfig
	if err := f.c.Do(f.ctx, func(pg *pgx.Conn) error { cfg = pg.Config(); return nil }); err != nil {
		t.Fatal(err)
	}
	before := f.pid()
	for range 2 {
		own, err := pgx.ConnectConfig(f.ctx, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer own.Close(f.ctx)
		if _, ok := own.PgConn().Conn().(*wire); !ok {
			t.Errorf("its socket is a %T", own.PgConn().Conn())
		}
	}
	if err := f.sleep(50 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if after := f.pid(); after != before {
		t.Error("a canceled statement has cost its connection")
	}
}

// The handler that a user has set stays, and what it asks for is limited all the same.
func TestHandlerOfTheUsersOwnIsKept(t *testing.T) {
	t.Parallel()
	for name, build := range map[string]func(*pgconn.PgConn) ctxwatch.Handler{
		"deadline": func(pg *pgconn.PgConn) ctxwatch.Handler {
			return &pgconn.DeadlineContextWatcherHandler{Conn: pg.Conn(), DeadlineDelay: 10 * time.Millisecond}
		},
		"cancel": func(pg *pgconn.PgConn) ctxwatch.Handler {
			return &pgconn.CancelRequestContextWatcherHandler{Conn: pg, DeadlineDelay: 5 * time.Second}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n network
			const conns = 20
			f := patient(t, conns, n.through, func(cfg *poolsql.Config) {
				cfg.MaxCancels, cfg.ConnConfig.BuildContextWatcherHandler = 2, build
			})
			f.serves(conns)
			var all sync.WaitGroup
			for range conns {
				all.Go(func() {
					if err := f.sleep(200 * time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if n.peak.Load() > 2 {
				t.Errorf("%d requests to cancel at once", n.peak.Load())
			}
			f.settled()
			err := f.c.Do(f.ctx, func(pg *pgx.Conn) error {
				ctx, cancel := context.WithTimeout(f.ctx, 50*time.Millisecond)
				defer cancel()
				_, err := pg.Exec(ctx, "select pg_sleep(60)")
				return err
			})
			if err == nil {
				t.Error("a statement that takes too long succeeded in Do")
			}
			f.settled()
			f.exec("select 1")
		})
	}
}

// What went down with its server is not asked to cancel anything: every connection would dial a dead server once more.
func TestServerThatEndsItsConnectionsIsNotAskedToCancel(t *testing.T) {
	t.Parallel()
	for name, transport := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n network
			f := patient(t, 8, transport, n.through)
			pids := idleConns(f, 4)
			errs := make(chan error, 4)
			for range 4 {
				go func() { _, err := f.db.ExecContext(f.ctx, "select pg_sleep(60)"); errs <- err }()
			}
			watcher := f.outside()
			f.await("four statements to sleep", func() bool { return f.sleeping(watcher) == 4 })
			terminate(f, pids...)
			for range 4 {
				if err := <-errs; err == nil {
					t.Error("a statement of a server process that was ended succeeded")
				}
			}
			for range 3 {
				pids := idleConns(f, 4)
				err := f.c.Do(f.ctx, func(pg *pgx.Conn) error {
					terminate(f, pids...)
					_, first := pg.Exec(f.ctx, "select 1")
					_, second := pg.Exec(f.ctx, "select 1")
					return errors.Join(first, second)
				})
				if err == nil {
					t.Error("a statement of a server process that was ended succeeded")
				}
				f.exec("select 1")
			}
			f.settled()
			if n.sides.Load() != 0 {
				t.Errorf("%d requests to cancel", n.sides.Load())
			}
		})
	}
}

// sleeping returns how many statements of the database sleep.
func (f *fixture) sleeping(watcher *pgx.Conn) (n int) {
	f.t.Helper()
	if err := watcher.QueryRow(f.ctx, `select count(*) from pg_stat_activity
		where datname = current_database() and pid <> pg_backend_pid() and wait_event = 'PgSleep'`).Scan(&n); err != nil {
		f.t.Fatal(err)
	}
	return n
}

// timedOut reports an error unless err says that a time ran out, which, and whether the connection was lost.
func timedOut(t *testing.T, err error, limit pooldriver.Limit, closed bool) {
	t.Helper()
	var e *pooldriver.TimeoutError
	if !errors.As(err, &e) || e.Limit != limit || e.Closed != closed {
		t.Errorf("%v (%T), want %s, closed: %t", err, err, limit, closed)
	}
}
