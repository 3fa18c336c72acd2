package pooldriver_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/internal/testdb"
)

// onFake opens a pool of at most conns connections on f.
func onFake(t *testing.T, f driver.Connector, conns int) (*sql.DB, *poolsql.Connector) {
	t.Helper()
	db, err := poolsql.Open(poolsql.Config{Connector: f, MaxConns: conns})
	if err != nil {
		t.Fatal(err)
	}
	c, err := poolsql.FromDB(db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		<-c.Done()
	})
	return db, c
}

var (
	fakeConns = map[string]func(*fakeConn) driver.Conn{
		"bare":            func(c *fakeConn) driver.Conn { return c },
		"legacy":          func(c *fakeConn) driver.Conn { return legacyConn{c} },
		"context":         func(c *fakeConn) driver.Conn { return contextConn{c} },
		"skipping":        func(c *fakeConn) driver.Conn { return skippingConn{c} },
		"checking":        func(c *fakeConn) driver.Conn { return checkingConn{contextConn{c}} },
		"checking legacy": func(c *fakeConn) driver.Conn { return checkingLegacyConn{legacyConn{c}} },
	}
	fakeStmts = map[string]func(*fakeStmt) driver.Stmt{
		"bare":     func(s *fakeStmt) driver.Stmt { return s },
		"context":  func(s *fakeStmt) driver.Stmt { return contextStmt{s} },
		"checking": func(s *fakeStmt) driver.Stmt { return checkingStmt{contextStmt{s}} },
		"columns":  func(s *fakeStmt) driver.Stmt { return columnsStmt{contextStmt{s}} },
		"both":     func(s *fakeStmt) driver.Stmt { return bothStmt{checkingStmt{contextStmt{s}}} },
	}
	argLists = [][]any{
		{}, {1}, {"a", "b"}, {1, 2, 3}, {nil}, {int8(3)}, {uint64(1 << 63)}, {[]byte("x")}, {1.5, true},
		{time.Unix(0, 0).UTC()}, {myString("s")}, {(*int)(nil)}, {struct{}{}}, {custom{"c"}}, {"remove"}, {"remove", 1}, {1, "remove"},
		{"remove", "remove", 1}, {"refuse"}, {1, "refuse"}, {sql.Named("n", 1)}, {1, sql.Named("n", 2)}, {sql.Named("n", struct{}{})},
		{sql.Named("1", 1)}, {sql.NullString{String: "s", Valid: true}}, {sql.NullString{}}, {failingValuer{}}, {oddValuer{}}, {(*sql.NullString)(nil)},
		{sql.Out{Dest: new(int)}}, {sql.NullInt64{Int64: 3, Valid: true}, 4},
	}
	fakeQueries = []string{"run", "run ?", "run ? ?", "any", "bad"}
)

type (
	myString      string
	failingValuer struct{}
	oddValuer     struct{}
)

func (failingValuer) Value() (driver.Value, error) { return nil, errors.New("no value") }
func (oddValuer) Value() (driver.Value, error)     { return struct{}{}, nil }

// calls are all the ways in which arguments reach a driver. Each returns what came of it.
var calls = map[string]func(ctx context.Context, db *sql.DB, query string, args []any) string{
	"exec": func(ctx context.Context, db *sql.DB, query string, args []any) string {
		_, err := db.ExecContext(ctx, query, args...)
		return fmt.Sprint(err)
	},
	"query": func(ctx context.Context, db *sql.DB, query string, args []any) string {
		rows, err := db.QueryContext(ctx, query, args...)
		return count(rows, err)
	},
	"statement exec": func(ctx context.Context, db *sql.DB, query string, args []any) string {
		st, err := db.PrepareContext(ctx, query)
		if err != nil {
			return fmt.Sprint(err)
		}
		defer st.Close()
		_, err = st.ExecContext(ctx, args...)
		return fmt.Sprint(err)
	},
	"statement query": func(ctx context.Context, db *sql.DB, query string, args []any) string {
		st, err := db.PrepareContext(ctx, query)
		if err != nil {
			return fmt.Sprint(err)
		}
		defer st.Close()
		rows, err := st.QueryContext(ctx, args...)
		return count(rows, err)
	},
	"transaction": func(ctx context.Context, db *sql.DB, query string, args []any) string {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return fmt.Sprint(err)
		}
		_, err = tx.ExecContext(ctx, query, args...)
		return fmt.Sprint(err, tx.Commit())
	},
}

func count(rows *sql.Rows, err error) string {
	if err != nil {
		return fmt.Sprint(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
	}
	return fmt.Sprint(n, rows.Err(), rows.Close())
}

// What database/sql does for a driver that lacks an interface, the pool has to do in its place, to the letter.
func TestOtherDriversSeeAndAnswerWhatTheyDoOnPlainDatabaseSQL(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	for connName, wrap := range fakeConns {
		for stmtName, wrapStmt := range fakeStmts {
			t.Run(connName+" conn, "+stmtName+" stmt", func(t *testing.T) {
				t.Parallel()
				plainFake := &fake{wrap: wrap, wrapStmt: wrapStmt}
				ourFake := &fake{wrap: wrap, wrapStmt: wrapStmt}
				plain := sql.OpenDB(plainFake)
				defer plain.Close()
				ours, c := onFake(t, ourFake, 2)
				for callName, call := range calls {
					for _, query := range fakeQueries {
						for _, args := range argLists {
							if query == "bad" && len(args) > 0 { // of two errors any may come first
								continue
							}
							want := call(t.Context(), plain, query, args) + " | " + plainFake.take()
							got := call(t.Context(), ours, query, args) + " | " + ourFake.take()
							if want != got {
								t.Errorf("%s %q of %#v:\n\twant %s\n\tgot  %s", callName, query, args, want, got)
							}
						}
					}
				}
				if s := c.Stats(); s.InUseConns != 0 || s.NewConnsCount > 2 {
					t.Errorf("%d connections in use, %d opened", s.InUseConns, s.NewConnsCount)
				}
			})
		}
	}
}

func TestOtherDriversBeginWhatTheyCan(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	for name, wrap := range fakeConns {
		plainFake, ourFake := &fake{wrap: wrap}, &fake{wrap: wrap}
		plain := sql.OpenDB(plainFake)
		ours, _ := onFake(t, ourFake, 1)
		for _, opts := range []*sql.TxOptions{nil, {ReadOnly: true}, {Isolation: sql.LevelSerializable}} {
			begin := func(db *sql.DB, f *fake) string {
				tx, err := db.BeginTx(t.Context(), opts)
				if err != nil {
					return fmt.Sprint(err, " | ", f.take())
				}
				return fmt.Sprint(tx.Rollback(), " | ", f.take())
			}
			if want, got := begin(plain, plainFake), begin(ours, ourFake); want != got {
				t.Errorf("%s, %+v:\n\twant %s\n\tgot  %s", name, opts, want, got)
			}
		}
		plain.Close()
	}
}

func TestPingOfADriverThatCannotIsNoError(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	f := &fake{}
	db, _ := onFake(t, f, 1)
	if err := db.PingContext(t.Context()); err != nil {
		t.Error(err)
	}
	if opened, _, _ := f.counts(); opened != 1 {
		t.Errorf("%d connections opened", opened)
	}
}

func TestStatementsOfOtherDriversAreClosedWithTheirConnection(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	f := &fake{}
	db, c := onFake(t, f, 1)
	for i := range 1000 { // more than are kept
		if err := db.QueryRowContext(t.Context(), fmt.Sprint("any ", i)).Scan(new(int)); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, stmts := f.counts(); stmts > 512 {
		t.Errorf("%d statements are open", stmts)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	<-c.Done()
	if opened, closed, stmts := f.counts(); opened != closed || stmts != 0 {
		t.Errorf("%d connections opened, %d closed, %d statements left open", opened, closed, stmts)
	}
}

// Two results of the same text may be read at the same time where the driver can: each needs a statement of its own, as on
// plain database/sql.
func TestTwoOpenResultsOfOneTextDoNotShareAStatement(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	f := &fake{wrapStmt: func(s *fakeStmt) driver.Stmt { return &soleStmt{fakeStmt: s} }}
	db, _ := onFake(t, f, 1)
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	first, err := tx.QueryContext(t.Context(), "any")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	first.Next()
	second, err := tx.QueryContext(t.Context(), "any")
	if err != nil {
		t.Fatal(err)
	}
	second.Close()
	if !first.Next() {
		t.Errorf("the second result ended the first: %v", first.Err())
	}
}

// soleStmt has one result at a time: the next query ends it.
type soleStmt struct {
	*fakeStmt
	last *fakeRows
}

func (s *soleStmt) Query([]driver.Value) (driver.Rows, error) {
	if s.last != nil {
		s.last.n = 2
	}
	s.last = &fakeRows{}
	return s.last, nil
}
