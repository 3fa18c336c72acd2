package poolotel_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/codes"

	"github.com/poolsql/poolsql/connector"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/testdb"
	poolotel "github.com/poolsql/poolsql/otel"
	"github.com/poolsql/poolsql/priority"
)

func TestEveryOperationIsASpanOfItsCaller(t *testing.T) {
	testdb.NoLeaks(t)
	db, pool, all := openTraced(t, connector.Config{DSN: testdb.New(t).DSN, MaxConns: 2, Name: "orders"}, poolotel.WithQueryText())
	database := pool.Config().ConnConfig.Database
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		do   func(ctx context.Context)
		want []string
		rows int64
	}{
		{"exec", func(ctx context.Context) {
			_, err := db.ExecContext(ctx, "create table a (id int)")
			check(err)
		}, []string{"exec"}, -1},
		{"query", func(ctx context.Context) {
			rows, err := db.QueryContext(ctx, "select generate_series(1, 7)")
			check(err)
			if got := all.take(); len(got) > 0 {
				t.Errorf("the span has ended with its rows still open: %v", names(got))
			}
			for rows.Next() {
			}
			check(errors.Join(rows.Err(), rows.Close()))
		}, []string{"query"}, 7},
		{"transaction", func(ctx context.Context) {
			tx, err := db.BeginTx(ctx, nil)
			check(err)
			_, err = tx.ExecContext(ctx, "insert into a values (1411122223)")
			check(errors.Join(err, tx.Commit()))
		}, []string{"BEGIN", "exec", "COMMIT"}, -1},
		{"rolled back", func(ctx context.Context) {
			tx, err := db.BeginTx(ctx, nil)
			check(errors.Join(err, tx.Rollback()))
		}, []string{"BEGIN", "ROLLBACK"}, -1},
		{"prepared", func(ctx context.Context) {
			st, err := db.PrepareContext(ctx, "select $1::int")
			check(err)
			var n int
			check(st.QueryRowContext(ctx, 1411122223).Scan(&n))
			check(st.Close())
		}, []string{"PREPARE", "query"}, 1},
		{"ping", func(ctx context.Context) { check(db.PingContext(ctx)) }, []string{"ping"}, -1},
		{"do", func(ctx context.Context) {
			check(pool.Do(ctx, func(pg *pgx.Conn) error { return pg.Ping(ctx) }))
		}, []string{"do"}, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			caller := all.under(t.Context(), c.do)
			ended := all.take()
			var got []string
			for _, s := range ended {
				got = append(got, strings.TrimSuffix(s.Name, " "+database))
				if s.Parent.SpanID() != caller.SpanID() || s.SpanContext.TraceID() != caller.TraceID() {
					t.Errorf("%s is not under its caller", s.Name)
				}
				if s.Status.Code != codes.Unset {
					t.Errorf("%s has failed: %v", s.Name, attributes(s))
				}
				if text := fmt.Sprintf("%+v", s); strings.Contains(text, "1411122223") {
					t.Errorf("it tells a literal or an argument: %s", text)
				}
				if value(s, "poolsql.connection.id").AsInt64() == 0 || value(s, "poolsql.connection.pid").AsInt64() == 0 {
					t.Errorf("%s does not say where it ran: %s", s.Name, attributes(s))
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("spans %q, want %q", got, c.want)
			}
			if last := ended[len(ended)-1]; c.rows >= 0 && value(last, "db.response.returned_rows").AsInt64() != c.rows {
				t.Errorf("rows: %s, want %d", attributes(last), c.rows)
			}
		})
	}
}

func TestASpanShowsTheTimeInTheQueue(t *testing.T) {
	testdb.NoLeaks(t)
	db, pool, all := openTraced(t, connector.Config{DSN: testdb.New(t).DSN, MaxConns: 1})
	ctx := t.Context()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := db.ExecContext(priority.WithLabel(ctx, "report"), "select 1")
		done <- err
	}()
	for pool.Stats().Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	const held = 200 * time.Millisecond
	time.Sleep(held)
	released := time.Now()
	if err := errors.Join(tx.Rollback(), <-done); err != nil {
		t.Fatal(err)
	}
	ended := all.take()
	i := slices.IndexFunc(ended, func(s stub) bool { return s.Name == "report" })
	if i < 0 {
		t.Fatalf("spans %q", names(ended))
	}
	s := ended[i]
	wait := time.Duration(value(s, "poolsql.wait_time").AsFloat64() * float64(time.Second))
	if wait < held || wait > s.EndTime.Sub(s.StartTime) {
		t.Errorf("it waited for %s, want more than %s and less than its whole %s", wait, held, s.EndTime.Sub(s.StartTime))
	}
	if len(s.Events) != 1 || s.Events[0].Name != "poolsql.connection.acquired" {
		t.Fatalf("events %v", s.Events)
	}
	if at := s.Events[0].Time; at.Before(released) || at.After(s.EndTime) {
		t.Errorf("it had its connection at %s, want it between %s and %s", at, released, s.EndTime)
	}
	for _, other := range ended {
		if other.Name != "report" && other.Name[:3] == "ROL" && len(other.Events) > 0 {
			t.Errorf("%s has events, and did not queue: %v", other.Name, other.Events)
		}
	}
}

func TestASpanSaysWhyItsOperationFailed(t *testing.T) {
	testdb.NoLeaks(t)
	server := testdb.New(t)
	db, pool, all := openTraced(t, connector.Config{
		DSN: server.DSN, MaxConns: 1, AcquireTimeout: 500 * time.Millisecond, StatementTimeout: 100 * time.Millisecond,
	})
	ctx := t.Context()
	if _, err := db.ExecContext(ctx, "create sequence tried"); err != nil {
		t.Fatal(err)
	}
	exec := func(ctx context.Context, query string) { _, _ = db.ExecContext(ctx, query) }
	for _, c := range []struct {
		name, kind, state string
		tries             int64
		do                func(ctx context.Context)
	}{
		{"the server's error", "22P02", "22P02", 1, func(ctx context.Context) { exec(ctx, "select '1411122223x'::int") }},
		{"a timeout", "timeout", "57014", 1, func(ctx context.Context) { exec(ctx, "select pg_sleep(30)") }},
		{"a caller who leaves", "canceled", "57014", 1, func(ctx context.Context) {
			ctx, cancel := context.WithCancel(priority.WithTimeout(ctx, priority.NoTimeout))
			var leaver sync.WaitGroup
			defer leaver.Wait()
			leaver.Go(func() { defer cancel(); atWork(t, server) })
			exec(ctx, "select pg_sleep(30)")
		}},
		{"tried again", "", "", 2, func(ctx context.Context) {
			exec(priority.WithRetries(ctx, 3), `do $$ begin
				if nextval('tried') = 1 then raise exception sqlstate '40001'; end if;
			end $$`)
		}},
		{"no connection in time", "timeout", "", 0, func(ctx context.Context) {
			err := pool.Do(context.Background(), func(*pgx.Conn) error { exec(ctx, "select 1411122223"); return nil })
			if err != nil {
				t.Error(err)
			}
		}},
		{"a function's error", "_OTHER", "", 1, func(ctx context.Context) {
			_ = pool.Do(ctx, func(*pgx.Conn) error { return errors.New("card 1411122223") })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			all.take()
			all.under(ctx, c.do)
			s := all.take()[0]
			kind, state := value(s, "error.type").AsString(), value(s, "db.response.status_code").AsString()
			if kind != c.kind || state != c.state || value(s, "poolsql.tries").AsInt64() != c.tries {
				t.Errorf("%s, want %s, %s and %d tries", attributes(s), c.kind, c.state, c.tries)
			}
			if failed := s.Status.Code == codes.Error; failed != (c.kind != "") {
				t.Errorf("its status is %v", s.Status)
			}
			if text := fmt.Sprintf("%+v", s); strings.Contains(text, "1411122223") {
				t.Errorf("it tells a literal, or what somebody said: %s", text)
			}
		})
	}
}

// What a transaction consists of can be left out; what stands in it still goes under its caller's span.
func TestSmallSpansCanBeLeftOut(t *testing.T) {
	testdb.NoLeaks(t)
	db, _, all := openTraced(t, connector.Config{DSN: testdb.New(t).DSN, MaxConns: 1},
		poolotel.WithoutSpansOf(pooldriver.OpBegin, pooldriver.OpCommit, pooldriver.OpRollback, pooldriver.OpPing))
	caller := all.under(t.Context(), func(ctx context.Context) {
		tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		queried := tx.QueryRowContext(priority.WithLabel(ctx, "a"), "select 1").Err()
		if err := errors.Join(queried, tx.Commit(), db.PingContext(ctx)); err != nil {
			t.Fatal(err)
		}
	})
	if s := all.one(t); s.Name != "a" || s.Parent.SpanID() != caller.SpanID() {
		t.Errorf("%q under %s", s.Name, s.Parent.SpanID())
	}
}

// atWork returns when a statement runs on the database.
func atWork(t *testing.T, db *testdb.DB) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		backends, err := db.Server.Backends(t.Context())
		if err != nil {
			t.Error(err)
			return
		}
		for _, b := range backends {
			if b.Database == db.Name && b.State == "active" {
				return
			}
		}
	}
	t.Error("no statement runs")
}
