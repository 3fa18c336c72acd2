package pooldriver_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
)

// A cut is what happens to a connection when something is written to it.
type cut uint8

const (
	cutNone      cut = iota
	cutBefore        // the connection is gone, and the write fails
	cutSwallowed     // the write succeeds, nothing arrives, and then the connection is gone
	cutMute          // the write succeeds, and nothing arrives
	cutAfter         // what is written arrives, and the connection is gone before the answer is
)

// faults are those of all connections of one pool. The zero value has none.
type faults struct {
	mu   sync.Mutex // guards what follows
	text string     // what is written when it happens
	how  cut
	left int // how often it will happen
	open []net.Conn

	pings atomic.Int64 // written
}

// arm has the next n writes of text cut.
func (f *faults) arm(how cut, text string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.how, f.text, f.left = how, text, n
}

// cutAll cuts every connection at once.
func (f *faults) cutAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, conn := range f.open {
		conn.Close()
	}
}

func (f *faults) of(b []byte) cut {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left == 0 || !bytes.Contains(b, []byte(f.text)) {
		return cutNone
	}
	f.left--
	return f.how
}

// on is a change of a pool's configuration that puts its connections on wires with these faults.
func (f *faults) on(cfg *poolsql.Config) {
	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		f.mu.Lock()
		f.open = append(f.open, conn)
		f.mu.Unlock()
		return &frail{Conn: conn, faults: f}, nil
	}
}

// A frail is a connection that may be cut.
type frail struct {
	net.Conn
	faults *faults
	deaf   atomic.Bool // no answer arrives any more
}

func (w *frail) SyscallConn() (syscall.RawConn, error) { return w.Conn.(syscall.Conn).SyscallConn() }

func (w *frail) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("-- ping")) {
		w.faults.pings.Add(1)
	}
	how := w.faults.of(b)
	switch how {
	case cutBefore:
		w.Conn.Close()
	case cutMute:
		return len(b), nil
	case cutSwallowed:
		w.Conn.Close()
		return len(b), nil
	case cutAfter:
		w.deaf.Store(true) // pgx reads beside a write that takes long
	}
	n, err := w.Conn.Write(b)
	if how == cutAfter {
		w.Conn.Close()
	}
	return n, err
}

func (w *frail) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if w.deaf.Load() {
		return 0, net.ErrClosed
	}
	return n, err
}

// openTCP is open through TCP: what the server said at last can be read there though nothing can be written any more.
func openTCP(t *testing.T, conns int, change ...func(*poolsql.Config)) *fixture {
	t.Helper()
	var d *testdb.DB
	f := open(t, conns, append([]func(*poolsql.Config){func(cfg *poolsql.Config) {
		d = testdb.New(t)
		cfg.ConnConfig = parse(t, d.TCPDSN)
	}}, change...)...)
	f.dsn = d.TCPDSN
	return f
}

// openPrivate is open on a server of the test's own.
func openPrivate(t *testing.T, conns int, settings []string, change ...func(*poolsql.Config)) (*fixture, *testdb.DB) {
	t.Helper()
	var d *testdb.DB
	private := func(cfg *poolsql.Config) {
		d = testdb.Private(t, settings...)
		cfg.ConnConfig = parse(t, d.TCPDSN)
	}
	f := open(t, conns, append([]func(*poolsql.Config){private}, change...)...)
	f.dsn = d.TCPDSN
	return f, d
}

// hundred runs a hundred statements, eight at once, and reports each that fails.
func (f *fixture) hundred() {
	f.t.Helper()
	var all sync.WaitGroup
	var n atomic.Int64
	for range 8 {
		all.Go(func() {
			for i := n.Add(1); i <= 100; i = n.Add(1) {
				if _, err := f.db.ExecContext(f.ctx, "select $1::int", i); err != nil {
					f.t.Errorf("statement %d: %v", i, err)
				}
			}
		})
	}
	all.Wait()
}

// No retries are declared: what finds the connection ended has not been sent when it does.
func TestStatementDoesNotNoticeThatItsIdleConnectionWasEnded(t *testing.T) {
	t.Parallel()
	known := "select $1::int"
	for name, use := range map[string]func(context.Context, *sql.DB) error{
		"exec":       func(ctx context.Context, db *sql.DB) error { _, err := db.ExecContext(ctx, "select 1"); return err },
		"known text": func(ctx context.Context, db *sql.DB) error { _, err := db.ExecContext(ctx, known, 1); return err },
		"query":      func(ctx context.Context, db *sql.DB) error { return db.QueryRowContext(ctx, known, 1).Scan(new(int)) },
		"ping":       func(ctx context.Context, db *sql.DB) error { return db.PingContext(ctx) },
		"transaction": func(ctx context.Context, db *sql.DB) error {
			return inTx(ctx, db, (*sql.Tx).Commit)
		},
		"prepare": func(ctx context.Context, db *sql.DB) error {
			st, err := db.PrepareContext(ctx, known)
			if err == nil {
				err = st.Close()
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := patient(t, 1)
			watcher := f.outside()
			for _, idle := range []time.Duration{6, 30, 250, 900} {
				f.exec(known, 1)
				pid := f.pid()
				began := time.Now()
				if _, err := watcher.Exec(f.ctx, "select pg_terminate_backend($1, 5000)", pid); err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Until(began.Add(idle * time.Millisecond)))
				if err := use(f.ctx, f.db); err != nil {
					t.Errorf("after %d ms or a little more: %v", idle, err)
				}
			}
		})
	}
}

func TestPoolWhoseConnectionsWereAllEndedServesWithoutAnError(t *testing.T) {
	t.Parallel()
	f := patient(t, 8)
	terminate(f, idleConns(f, 8)...)
	f.hundred()
	f.serves(8)
}

func TestRestartOfTheServerIsNotNoticedByWhoComesAfterIt(t *testing.T) {
	t.Parallel()
	f, d := openPrivate(t, 8, nil)
	for _, mode := range []testdb.StopMode{testdb.Fast, testdb.Immediate} {
		idleConns(f, 8)
		if err := d.Server.Restart(f.ctx, mode); err != nil {
			t.Fatal(err)
		}
		f.hundred()
		if t.Failed() {
			t.Fatalf("after a restart that was %s", mode)
		}
	}
}

// notSaidUnsent reports an error unless err leaves open whether the statement ran.
func notSaidUnsent(t *testing.T, what string, err error) {
	t.Helper()
	var lost *pooldriver.LostError
	var timeout *pooldriver.TimeoutError
	var canceled *pooldriver.CanceledError
	switch {
	case err == nil:
		t.Errorf("%s: no error", what)
	case pgconn.SafeToRetry(err), errors.As(err, &lost), errors.As(err, &timeout) && timeout.Unsent,
		errors.As(err, &canceled) && canceled.Unsent:
		t.Errorf("%s: is said not to have run: %v", what, err)
	}
}

func TestStatementThatLosesItsConnectionInItsMiddleIsNotSaidNotToHaveRun(t *testing.T) {
	t.Parallel()
	var wires faults
	f := patient(t, 2, wires.on)
	f.exec("create sequence runs")
	watcher := f.outside()
	done := make(chan error, 1)
	go func() {
		_, err := f.db.ExecContext(f.ctx, "select nextval('runs'), pg_sleep(60)")
		done <- err
	}()
	f.awaitSleep(watcher)
	if _, err := watcher.Exec(f.ctx, `select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'
		and datname = current_database()`); err != nil {
		t.Fatal(err)
	}
	err := <-done
	notSaidUnsent(t, "terminated", err)
	if codeOf(err) != "57P01" {
		t.Errorf("terminated: %v", err)
	}
	for i, how := range []cut{cutAfter, cutSwallowed} {
		wires.arm(how, "select nextval('runs'), 7", 1)
		_, err := f.db.ExecContext(f.ctx, "select nextval('runs'), 7")
		notSaidUnsent(t, fmt.Sprint("cut ", i), err)
	}
	f.exec("select 1") // the first statement of a new connection is not tried on another
	wires.arm(cutBefore, "select nextval('runs'), 8", 1)
	if _, err := f.db.ExecContext(f.ctx, "select nextval('runs'), 8"); err != nil {
		t.Errorf("what was not sent runs elsewhere: %v", err)
	}
	f.await("the cut statement to run", func() bool { return f.number("select last_value from runs") == 3 })
}

func TestEndOfOneConnectionMakesTheOthersProveThemselvesAndClosesNone(t *testing.T) {
	t.Parallel()
	var wires faults
	f := patient(t, 5, wires.on)
	watcher := f.outside()
	pids := idleConns(f, 5)
	done := make(chan error, 1)
	go func() { _, err := f.db.ExecContext(f.ctx, "select pg_sleep(60)"); done <- err }()
	f.awaitSleep(watcher)
	var gone int
	if err := watcher.QueryRow(f.ctx, `select pid from pg_stat_activity
		where wait_event = 'PgSleep' and datname = current_database()`).Scan(&gone); err != nil {
		t.Fatal(err)
	}
	terminate(f, gone)
	if err := <-done; codeOf(err) != "57P01" {
		t.Fatal(err)
	}
	wires.pings.Store(0)
	now := idleConns(f, 4)
	if n := wires.pings.Load(); n != 4 {
		t.Errorf("%d of 4 had to prove that they live", n)
	}
	for _, pid := range pids {
		if kept := contains(now, pid); kept == (pid == gone) {
			t.Errorf("process %d: kept %t; %d was ended", pid, kept, gone)
		}
	}
	idleConns(f, 4)
	if n := wires.pings.Load(); n != 4 {
		t.Errorf("%d pings: who has proved himself is asked again", n)
	}
}

func contains(list []int, n int) bool {
	for _, m := range list {
		if m == n {
			return true
		}
	}
	return false
}

// A function may raise whatever it likes, and a foreign data wrapper may not reach its server: neither says anything of the
// connection, and still less of others.
func TestSQLSTATEsOfLostConnectionsThatAStatementRaisesCostNone(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"08P01", "08006", "08001", "57P01", "57P02", "57P03", "25006"} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			var wires faults
			f := patient(t, 3, wires.on)
			before := idleConns(f, 3)
			wires.pings.Store(0)
			_, err := f.db.ExecContext(f.ctx, "do $$ begin raise exception 'mine' using errcode = '"+code+"'; end $$")
			if codeOf(err) != code {
				t.Fatal(err)
			}
			for _, pid := range idleConns(f, 3) {
				if !contains(before, pid) {
					t.Errorf("process %d is new", pid)
				}
			}
			if n := wires.pings.Load(); n != 0 {
				t.Errorf("%d connections had to prove that they live", n)
			}
			if n := f.events.count(lifecycle.KindRetired); n != 0 {
				t.Errorf("retired %d times", n)
			}
		})
	}
}

// PostgreSQL tells of its crash by a notice only, and then all connections end at once.
func TestCrashOfTheServerIsNotNoticedByWhoComesAfterIt(t *testing.T) {
	t.Parallel()
	f, d := openPrivate(t, 4, nil)
	pids := idleConns(f, 4)
	tx, err := f.db.BeginTx(f.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	watcher := f.outside()
	go func() { _, err := tx.ExecContext(f.ctx, "select pg_sleep(60)"); done <- err }()
	f.awaitSleep(watcher)
	if err := d.Server.KillBackend(f.ctx, watcher.PgConn().PID()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.As(err, new(*pooldriver.UnknownError)) {
		t.Errorf("the one in the middle of a statement: %v", err)
	}
	_ = tx.Rollback() // of what is lost

	if err := d.Server.WaitReady(f.ctx); err != nil {
		t.Fatal(err)
	}
	f.hundred()
	for _, pid := range idleConns(f, 4) {
		if contains(pids, pid) {
			t.Errorf("process %d serves still", pid)
		}
	}
}

func TestRefusalToWriteRetiresConnectionsToAStandbyOnly(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	pair := testdb.Replicated(t)
	for name, standby := range map[string]bool{"standby": true, "primary": false} {
		dsn := pair.PrimaryDSN()
		if standby {
			dsn = pair.StandbyDSN()
		}
		events := &recorder{}
		db, err := poolsql.Open(poolsql.Config{DSN: dsn, MaxConns: 2, Observer: events})
		if err != nil {
			t.Fatal(err)
		}
		c, _ := poolsql.FromDB(db)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		f := &fixture{t: t, ctx: ctx, db: db, c: c, events: events, dsn: dsn}
		pids := idleConns(f, 2)
		if standby {
			_, err = db.ExecContext(ctx, "create table t ()")
		} else {
			var tx *sql.Tx
			if tx, err = db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}); err != nil {
				t.Fatal(err)
			}
			_, err = tx.ExecContext(ctx, "create table t ()")
			tx.Rollback()
		}
		if codeOf(err) != "25006" {
			t.Errorf("%s: %v", name, err)
		}
		for _, pid := range idleConns(f, 2) {
			if contains(pids, pid) == standby {
				t.Errorf("%s: process %d before: %v", name, pid, pids)
			}
		}
		if n := events.count(lifecycle.KindRetired); (n == 1) != standby {
			t.Errorf("%s: retired %d times", name, n)
		}
		cancel()
		db.Close()
		<-c.Done()
	}
}

func TestServerThatComesUpAtADialMakesTheOthersProveThemselves(t *testing.T) {
	t.Parallel()
	var wires faults
	var starting atomic.Bool
	f := patient(t, 3, wires.on, func(cfg *poolsql.Config) {
		dial := cfg.ConnConfig.DialFunc
		cfg.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			if starting.Load() {
				return comingUp(), nil
			}
			return dial(ctx, network, address)
		}
	})
	idleConns(f, 2)
	wires.pings.Store(0)
	starting.Store(true)
	tx, err := f.db.BeginTx(f.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err := f.db.BeginTx(f.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { _, err := f.db.ExecContext(f.ctx, "select 1"); done <- err }()
	f.await("a dial to fail", func() bool { return f.c.Stats().ConnectErrorCount > 0 })
	if err := errors.Join(tx.Rollback(), other.Rollback(), <-done); err != nil {
		t.Error(err)
	}
	idleConns(f, 2)
	if n := wires.pings.Load(); n < 2 {
		t.Errorf("%d of 2 had to prove that they live", n)
	}
	starting.Store(false)
}

// comingUp is a connection to a server that lets nobody in yet.
func comingUp() net.Conn {
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		_, _ = theirs.Read(make([]byte, 1024))
		body := "SFATAL\x00VFATAL\x00C57P03\x00Mthe database system is starting up\x00\x00"
		_, _ = theirs.Write(append([]byte{'E', 0, 0, 0, byte(len(body) + 4)}, body...))
	}()
	return ours
}
