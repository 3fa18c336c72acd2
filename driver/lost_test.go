package pooldriver_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"

	pooldriver "github.com/poolsql/poolsql/driver"
)

// idleConns makes n connections idle, and returns the processes that serve them.
func idleConns(f *fixture, n int) (pids []int) {
	f.t.Helper()
	var txs []*sql.Tx
	for range n {
		tx, err := f.db.BeginTx(f.ctx, nil)
		if err != nil {
			f.t.Fatal(err)
		}
		var pid int
		if err := tx.QueryRowContext(f.ctx, "select pg_backend_pid()").Scan(&pid); err != nil {
			f.t.Fatal(err)
		}
		txs, pids = append(txs, tx), append(pids, pid)
	}
	for _, tx := range txs {
		if err := tx.Commit(); err != nil {
			f.t.Fatal(err)
		}
	}
	return pids
}

// terminate ends server processes, and returns when they are gone.
func terminate(f *fixture, pids ...int) {
	f.t.Helper()
	watcher := f.outside()
	defer watcher.Close(f.ctx)
	for _, pid := range pids {
		if _, err := watcher.Exec(f.ctx, "select pg_terminate_backend($1)", pid); err != nil {
			f.t.Fatal(err)
		}
		f.await("a server process to end", func() bool {
			var n int
			if err := watcher.QueryRow(f.ctx, "select count(*) from pg_stat_activity where pid = $1", pid).Scan(&n); err != nil {
				f.t.Fatal(err)
			}
			return n == 0
		})
	}
}

// Everything that leaves nothing behind is tried again on another connection. A statement is, if it was not sent.
func TestIdleConnectionsThatTheServerEndedAreReplacedUnnoticed(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]func(context.Context, *sql.DB) error{
		"ping": func(ctx context.Context, db *sql.DB) error { return db.PingContext(ctx) },
		"transaction": func(ctx context.Context, db *sql.DB) error {
			return inTx(ctx, db, (*sql.Tx).Commit)
		},
		"new text": func(ctx context.Context, db *sql.DB) error {
			return db.QueryRowContext(ctx, "select $1::int", 1).Scan(new(int))
		},
		"prepare": func(ctx context.Context, db *sql.DB) error {
			st, err := db.PrepareContext(ctx, "select $1::int")
			if err == nil {
				err = st.Close()
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := patient(t, 3)
			terminate(f, idleConns(f, 3)...)
			if err := use(f.ctx, f.db); err != nil {
				t.Error(err)
			}
		})
	}
}

// A statement that was sent may have run, whatever the server's last word was, so it fails; but only one does for each
// connection that was lost.
func TestStatementSentToALostConnectionFailsOnceAtMost(t *testing.T) {
	t.Parallel()
	f := patient(t, 3)
	terminate(f, idleConns(f, 3)...)
	failed := 0
	for range 10 {
		_, err := f.db.ExecContext(f.ctx, "select 1")
		if err == nil {
			continue
		}
		failed++
		if codeOf(err) != "57P01" {
			t.Errorf("failed with %v", err)
		}
	}
	if failed > 3 {
		t.Errorf("%d statements failed on 3 connections", failed)
	}
	f.serves(3)
}

func TestErrBadConnNeverReachesDatabaseSQL(t *testing.T) {
	t.Parallel()
	f := patient(t, 2)
	// Wrapped, so that it is seen before database/sql makes something of it.
	var seen int
	db := sql.OpenDB(watched{f.c, func(err error) {
		if errors.Is(err, driver.ErrBadConn) {
			seen++
		}
	}})
	defer db.Close()
	for range 5 {
		terminate(f, idleConns(f, 2)...)
		_, _ = db.ExecContext(f.ctx, "select $1::int", 1)
		_ = db.QueryRowContext(f.ctx, "select pg_backend_pid()").Scan(new(int))
		_ = db.PingContext(f.ctx)
	}
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	conn, err := db.Conn(f.ctx)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = conn.ExecContext(ctx, "select 1")
	conn.Close()
	if seen > 0 {
		t.Errorf("driver.ErrBadConn came out %d times", seen)
	}
}

func TestConnectionLostInATransactionIsSaidToBe(t *testing.T) {
	t.Parallel()
	f := patient(t, 2)
	tx, err := f.db.BeginTx(f.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if err := tx.QueryRowContext(f.ctx, "select pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	terminate(f, pid)
	// Whether the first finds the socket closed or what the server said last is a matter of time.
	var lost *pooldriver.LostError
	if _, err := tx.ExecContext(f.ctx, "select 1"); codeOf(err) != "57P01" && !errors.As(err, &lost) {
		t.Errorf("first statement after the loss: %v", err)
	}
	if _, err := tx.ExecContext(f.ctx, "select 1"); !errors.As(err, &lost) || int(lost.PID) != pid || !lost.SafeToRetry() {
		t.Errorf("second statement after the loss: %v", err)
	}
	if err := tx.Commit(); !errors.As(err, &lost) {
		t.Errorf("commit after the loss: %v", err)
	}
	f.serves(2)
}

// watched tells of every error that comes out of a session.
type watched struct {
	driver.Connector
	see func(error)
}

func (w watched) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := w.Connector.Connect(ctx)
	if err != nil {
		w.see(err)
		return nil, err
	}
	return watchedConn{conn.(*pooldriver.Session), w.see}, nil
}

type watchedConn struct {
	*pooldriver.Session
	see func(error)
}

func (w watchedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	res, err := w.Session.ExecContext(ctx, query, args)
	w.see(err)
	return res, err
}

func (w watchedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := w.Session.QueryContext(ctx, query, args)
	w.see(err)
	return rows, err
}

func (w watchedConn) Ping(ctx context.Context) error {
	err := w.Session.Ping(ctx)
	w.see(err)
	return err
}

func (w watchedConn) ResetSession(ctx context.Context) error {
	err := w.Session.ResetSession(ctx)
	w.see(err)
	return err
}
