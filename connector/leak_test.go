package connector_test

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// A recorder is an Observer that keeps everything.
type recorder struct {
	mu     sync.Mutex // guards events
	events []lifecycle.Event
}

func (r *recorder) Observe(e lifecycle.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// of returns the events of a kind.
func (r *recorder) of(kind lifecycle.Kind) (found []lifecycle.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}

// forget takes a connection and returns what gives it back.
func forget(t *testing.T, ctx context.Context, db *sql.DB, what string) (close func()) {
	t.Helper()
	var err error
	switch what {
	case "Tx":
		var tx *sql.Tx
		if tx, err = db.BeginTx(ctx, nil); err == nil {
			_, err = tx.ExecContext(ctx, "select 'secret', 4711, $1::text", "argument")
			close = func() { tx.Rollback() }
		}
	case "Rows":
		var rows *sql.Rows
		if rows, err = db.QueryContext(ctx, "select 'secret', 4711, $1::text from generate_series(1, 100000)", "argument"); err == nil {
			rows.Next()
			close = func() { rows.Close() }
		}
	case "Conn":
		var conn *sql.Conn
		if conn, err = db.Conn(ctx); err == nil {
			_, err = conn.ExecContext(ctx, "select 'secret', 4711, $1::text", "argument")
			close = func() { conn.Close() }
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return close
}

func TestALeakIsReportedOnceALendingWithWhoAndWhatAndWhere(t *testing.T) {
	t.Parallel()
	const threshold = 300 * time.Millisecond
	for _, what := range []string{"Tx", "Rows", "Conn"} {
		t.Run(what, func(t *testing.T) {
			seen := &recorder{}
			db, c := open(t, connector.Config{Name: "shop", MaxConns: 1, LeakThreshold: threshold, LeakStacks: true, Observer: seen})
			ctx := priority.NewContext(t.Context(), priority.Options{Class: priority.Low, Label: "report", Tenant: "acme"})
			for lending := 1; lending <= 2; lending++ {
				back := forget(t, ctx, db, what)
				await(t, func() bool { return len(seen.of(lifecycle.KindLeak)) == lending })
				<-time.After(2 * threshold) // time enough for more reports
				back()
			}
			await(t, func() bool { return c.Stats().InUseConns == 0 })
			leaks := seen.of(lifecycle.KindLeak)
			if len(leaks) != 2 || c.Stats().LeakCount != 2 {
				t.Fatalf("%d reports and %d counted of 2 lendings", len(leaks), c.Stats().LeakCount)
			}
			for _, e := range leaks {
				if e.Pool != "shop" || e.Resource != 1 || e.Class != priority.Low || e.Label != "report" || e.Tenant != "acme" || e.Duration < threshold {
					t.Errorf("%+v", e)
				}
				if !strings.HasPrefix(e.Detail, "select ?, ?, $1::text") || strings.Contains(e.Detail, "secret") || strings.Contains(e.Detail, "4711") {
					t.Errorf("the query is %q", e.Detail)
				}
				if stack := lifecycle.FormatStack(e.Stack); !strings.Contains(stack, "connector_test.forget") || strings.Contains(stack, "poolsql/driver.(*Session).bind") {
					t.Errorf("the stack does not begin where it should:\n%s", stack)
				}
			}
		})
	}
}

func TestNoLeakIsReportedOfWhatIsExemptOrComesBackInTime(t *testing.T) {
	t.Parallel()
	seen := &recorder{}
	db, c := open(t, connector.Config{MaxConns: 2, LeakThreshold: 2 * time.Second, Observer: seen})
	ctx := t.Context()
	exempt := forget(t, priority.WithoutLimits(ctx), db, "Tx")
	ended := time.Now().Add(2500 * time.Millisecond)
	for time.Now().Before(ended) {
		forget(t, ctx, db, "Tx")()
		forget(t, ctx, db, "Rows")()
		<-time.After(10 * time.Millisecond)
	}
	exempt()
	if leaks := seen.of(lifecycle.KindLeak); len(leaks) != 0 || c.Stats().LeakCount != 0 {
		t.Errorf("%d leaks were reported: %+v", len(leaks), leaks)
	}
}

func TestWithoutLeakStacksNoStackIsKept(t *testing.T) {
	t.Parallel()
	seen := &recorder{}
	db, _ := open(t, connector.Config{MaxConns: 1, LeakThreshold: 20 * time.Millisecond, Observer: seen})
	back := forget(t, t.Context(), db, "Tx")
	await(t, func() bool { return len(seen.of(lifecycle.KindLeak)) == 1 })
	back()
	if stack := seen.of(lifecycle.KindLeak)[0].Stack; stack != nil {
		t.Errorf("a stack was kept:\n%s", lifecycle.FormatStack(stack))
	}
}

func TestARefusalNamesThePlaceInTheProgramThatTookTheConnection(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{MaxConns: 1, LeakStacks: true, AcquireTimeout: 100 * time.Millisecond})
	await(t, func() bool { return db.Ping() == nil })
	refused := func() string { return db.PingContext(t.Context()).Error() }
	for name, hold := range map[string]func() (said string){
		"Tx": func() string { defer forget(t, t.Context(), db, "Tx")(); return refused() },
		"RunTx": func() (said string) {
			_ = connector.RunTx(t.Context(), db, connector.TxOptions{}, func(context.Context, *sql.Tx) error { said = refused(); return nil })
			return said
		},
		"Do": func() (said string) {
			_ = c.Do(t.Context(), func(*pgx.Conn) error { said = refused(); return nil })
			return said
		},
	} {
		if said := hold(); !strings.Contains(said, " since connector_test.") || !strings.Contains(said, " at leak_test.go:") {
			t.Errorf("%s: the place is not in %q", name, said)
		}
	}
}
