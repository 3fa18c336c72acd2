package pooldriver_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql"
	pooldriver "github.com/poolsql/poolsql/driver"
)

// written begins a transaction that has written one row to t.
func (f *fixture) written(ctx context.Context) *sql.Tx {
	f.t.Helper()
	tx, err := f.db.BeginTx(ctx, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := tx.ExecContext(f.ctx, "insert into t values (1)"); err != nil {
		f.t.Fatal(err)
	}
	return tx
}

// unknown reports an error unless err says that nobody knows.
func unknown(t *testing.T, err error) {
	t.Helper()
	var commit *pooldriver.CommitError
	if !errors.As(err, &commit) || !errors.Is(err, pooldriver.ErrCommitUnknown) || pgconn.SafeToRetry(err) ||
		errors.As(err, new(*pooldriver.LostError)) || commit.Conn == 0 || commit.PID == 0 {
		t.Errorf("got %v", err)
	}
}

// notCommitted reports an error unless err says that the transaction certainly was not.
func notCommitted(t *testing.T, err error) {
	t.Helper()
	var lost *pooldriver.LostError
	if !errors.As(err, &lost) || errors.Is(err, pooldriver.ErrCommitUnknown) || !pgconn.SafeToRetry(err) {
		t.Errorf("got %v", err)
	}
}

func TestCommitWhoseConnectionIsCutTellsWhatIsKnown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		how  cut
		rows int
		tell func(*testing.T, error)
	}{
		"before it is sent":          {cutBefore, 0, notCommitted},
		"on its way to the server":   {cutSwallowed, 0, unknown},
		"with the answer on its way": {cutAfter, 1, unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var wires faults
			f := patient(t, 2, wires.on)
			f.exec("create table t (n int)")
			for _, ctx := range []context.Context{f.ctx, poolsql.WithRetries(f.ctx, 5)} {
				tx := f.written(ctx)
				wires.arm(c.how, "commit", 1)
				c.tell(t, tx.Commit())
				f.await("the outcome", func() bool { return f.number("select count(*) from t") == c.rows })
				f.exec("truncate t")
			}
			f.serves(2)
		})
	}
}

// Nothing is known of a commit that was sent to a session that had ended. So it is better not sent.
func TestCommitIsNotSentToASessionThatHasEnded(t *testing.T) {
	t.Parallel()
	f := openTCP(t, 1)
	f.exec("create table t (n int)")
	watcher := f.outside()
	tx := f.written(f.ctx)
	var pid int
	if err := tx.QueryRowContext(f.ctx, "select pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	if _, err := watcher.Exec(f.ctx, "select pg_terminate_backend($1, 5000)", pid); err != nil {
		t.Fatal(err)
	}
	<-time.After(10 * time.Millisecond) // a session that was used just now is not looked at
	err := tx.Commit()
	notCommitted(t, err)
	if codeOf(err) != "57P01" {
		t.Errorf("why is not told: %v", err)
	}
	if n := f.number("select count(*) from t"); n != 0 {
		t.Errorf("%d rows", n)
	}
}

// A notice that came meanwhile is news too, and no reason not to commit.
func TestCommitIsSentWhereTheServerHasOnlySaidSomething(t *testing.T) {
	t.Parallel()
	var wires faults
	f := patient(t, 1, wires.on)
	f.exec("create table t (n int)")
	watcher := f.outside()
	if err := f.c.Do(f.ctx, func(conn *pgx.Conn) error { _, err := conn.Exec(f.ctx, "listen news"); return err }); err != nil {
		t.Fatal(err)
	}
	tx := f.written(f.ctx)
	// A change of a setting that the client is told of comes at once, even in a transaction; a notification would not.
	if _, err := watcher.Exec(f.ctx, "notify news"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	if n := f.number("select count(*) from t"); n != 1 {
		t.Errorf("%d rows", n)
	}
}

func TestIdleInTransactionTimeoutIsKnownNotToBeCommitted(t *testing.T) {
	t.Parallel()
	f := openTCP(t, 1, func(cfg *poolsql.Config) { cfg.IdleInTransactionTimeout = 500 * time.Millisecond })
	f.exec("create table t (n int)")
	tx := f.written(f.ctx)
	watcher := f.outside()
	f.await("the session to end", func() bool {
		var n int
		if err := watcher.QueryRow(f.ctx, `select count(*) from pg_stat_activity where datname = current_database()
			and pid <> pg_backend_pid() and backend_type = 'client backend'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n == 0
	})
	err := tx.Commit()
	if !errors.Is(err, pooldriver.ErrIdleInTransactionTimeout) || errors.Is(err, pooldriver.ErrCommitUnknown) {
		t.Errorf("got %v", err)
	}
	if n := f.number("select count(*) from t"); n != 0 {
		t.Errorf("%d rows", n)
	}
}

func TestCommitThatHangsIsUnknownWithinEndTimeout(t *testing.T) {
	t.Parallel()
	const limit = 300 * time.Millisecond
	f, _ := openPrivate(t, 2, []string{"max_wal_senders = 2", "wal_level = replica", "synchronous_commit = on"},
		func(cfg *poolsql.Config) { cfg.EndTimeout = limit })
	f.exec("create table t (n int)")
	watcher := f.outside()
	if _, err := watcher.Exec(f.ctx, "alter system set synchronous_standby_names = 'nobody'"); err != nil {
		t.Fatal(err)
	}
	if _, err := watcher.Exec(f.ctx, "select pg_reload_conf()"); err != nil {
		t.Fatal(err)
	}
	f.await("the setting to hold", func() bool {
		return f.number("select count(*) from pg_settings where name = 'synchronous_standby_names' and setting = 'nobody'") == 1
	})
	var watch stopwatch
	var err error
	rows := 0
	f.await("a COMMIT to hang", func() bool { // the checkpointer has to hear of the setting as well
		tx := f.written(f.ctx)
		watch = startWatch()
		err = tx.Commit()
		rows++
		return err != nil
	})
	watch.within(t, limit+700*time.Millisecond, "the COMMIT")
	unknown(t, err)
	if took := time.Since(watch.began); !errors.Is(err, pooldriver.ErrEndTimeout) || took < limit {
		t.Errorf("after %s: %v", took, err)
	}
	f.await("it to be committed all the same", func() bool { return f.number("select count(*) from t") == rows })
}

func TestCommitThatTheServerRefusesSaysWhy(t *testing.T) {
	t.Parallel()
	f := patient(t, 1)
	f.exec(`create table t (n int unique deferrable initially deferred);
		create table conflict (n int);
		create function fail() returns trigger language plpgsql as $$ begin raise 'mine' using errcode = '40001'; end $$;
		create constraint trigger fails after insert on conflict deferrable initially deferred for each row execute function fail()`)
	pid := f.pid()
	for insert, code := range map[string]string{
		"insert into t values (1), (1)": "23505", "insert into conflict values (1)": "40001",
	} {
		tx, err := f.db.BeginTx(poolsql.WithRetries(f.ctx, 3), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(f.ctx, insert); err != nil {
			t.Fatal(err)
		}
		err = tx.Commit()
		if codeOf(err) != code || errors.Is(err, pooldriver.ErrCommitUnknown) || errors.As(err, new(*pooldriver.RetryError)) {
			t.Errorf("want %s, got %v", code, err)
		}
	}
	tx, err := f.db.BeginTx(f.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(f.ctx, "select 1/0"); codeOf(err) != "22012" {
		t.Error(err)
	}
	if err := tx.Commit(); !errors.Is(err, pgx.ErrTxCommitRollback) || errors.Is(err, pooldriver.ErrCommitUnknown) {
		t.Errorf("commit of a failed transaction: %v", err)
	}
	if f.pid() != pid {
		t.Error("the connection was closed")
	}
}

func TestCommitErrorSaysWhatToDo(t *testing.T) {
	t.Parallel()
	e := &pooldriver.CommitError{Conn: 3, PID: 77, Took: time.Second, Err: errors.New("unexpected EOF")}
	for _, part := range []string{"connection 3", "server process 77", "may be committed or not", "within 1s", "unexpected EOF"} {
		if !strings.Contains(e.Error(), part) {
			t.Errorf("%q is not in: %v", part, e)
		}
	}
}
