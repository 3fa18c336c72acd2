package connector_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/priority"
)

const whoServes = "select setting from pg_settings where name = 'application_name'" // certainly a read

func conn(t *testing.T, db *sql.DB, ctx context.Context) *sql.Conn {
	t.Helper()
	c, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func text(t *testing.T, q interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}, ctx context.Context, query string, args ...any) (s string) {
	t.Helper()
	if err := q.QueryRowContext(ctx, query, args...).Scan(&s); err != nil {
		t.Errorf("%s: %v", query, err)
	}
	return s
}

// Each write counts for a bookmark, and not the first statement of who holds the connection.
func TestABookmarkIsMarkedByEachWriteOfAConn(t *testing.T) {
	testdb.NoLeaks(t)
	db, _ := twoPools(t)
	exec(t, db, t.Context(), "create table notes (n int)")
	for what, write := range map[string]func(context.Context, *sql.Conn) error{
		"exec": func(ctx context.Context, c *sql.Conn) error {
			_, err := c.ExecContext(ctx, "insert into notes values (1)")
			return err
		},
		"a query": func(ctx context.Context, c *sql.Conn) error {
			return c.QueryRowContext(ctx, "insert into notes values ($1) returning n", 1).Scan(new(int))
		},
		"a statement that an argument rewrites": func(ctx context.Context, c *sql.Conn) error {
			return c.QueryRowContext(ctx, "select 1", rewriter("insert into notes values (1) returning n")).Scan(new(int))
		},
		"raw": func(ctx context.Context, c *sql.Conn) error {
			if err := c.Raw(func(c any) error {
				_, err := c.(interface{ Conn() *pgx.Conn }).Conn().Exec(ctx, "insert into notes values (1)")
				return err
			}); err != nil {
				return err
			}
			return c.QueryRowContext(t.Context(), "select 1").Scan(new(int)) // which is when it is known that it is over
		},
	} {
		var b priority.Bookmark
		ctx := priority.WithBookmark(t.Context(), &b)
		c := conn(t, db, ctx)
		if err := c.QueryRowContext(t.Context(), "select 1").Scan(new(int)); err != nil {
			t.Fatal(err)
		}
		if err := c.QueryRowContext(ctx, "select count(*) from notes").Scan(new(int)); err != nil {
			t.Fatal(err)
		}
		if b.Wrote() != 0 {
			t.Errorf("before %s: a read is noted as a write", what)
		}
		if err := write(ctx, c); err != nil {
			t.Fatal(what, err)
		}
		if b.Wrote() == 0 {
			t.Errorf("%s, after a read on the same Conn, is not noted as a write", what)
		}
		c.Close()
	}
	var b priority.Bookmark
	exec(t, db, priority.WithRoute(priority.WithBookmark(t.Context(), &b), "reads"), "insert into notes values (1)")
	if b.Wrote() == 0 {
		t.Error("a write by a route's name is not noted")
	}
}

// Where a Conn is bound does not count for calls that belong elsewhere for certain.
func TestAConnMovesFromAReplicaWhereItsCallsBelong(t *testing.T) {
	testdb.NoLeaks(t)
	pair, db, c, _ := withReplica(t, func(cfg *connector.Config) { cfg.ClassifyReads = true })
	ctx := t.Context()
	exec(t, db, ctx, `create table notes (n int);
		create function lower(int) returns int language sql as 'insert into notes values ($1) returning n';
		create view writing as select lower(5)::text as n`)
	if err := pair.CaughtUp(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the replica serves", func() bool { return serverOf(t, db, priority.WithReadOnly(ctx)) == "replica" })
	away := func() *sql.Conn {
		t.Helper()
		held := conn(t, db, ctx)
		if got := text(t, held, ctx, whoServes); got != "replica" {
			t.Fatalf("served by %q: %+v", got, c.Routes())
		}
		return held
	}

	held := away()
	if got := text(t, held, priority.WithRoute(ctx, "primary"), whoServes); got != "primary" {
		t.Errorf("who asks for the primary by name is served by %q", got)
	}
	held.Close()

	held = away()
	if _, err := held.ExecContext(priority.WithRoute(ctx, "primary"), "insert into notes values (1)"); err != nil {
		t.Errorf("a write by name: %v", err)
	}
	held.Close()

	// After a transaction in which everything was certainly a read.
	held = away()
	tx, err := held.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := text(t, tx, ctx, whoServes); got != "replica" {
		t.Errorf("a transaction that reads is served by %q", got)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	if _, err := held.ExecContext(ctx, "insert into notes values (2)"); err != nil {
		t.Errorf("a write after a transaction that read: %v", err)
	}
	held.Close()

	// What a standby refuses as the second statement.
	held = away()
	text(t, held, ctx, "select n from writing")
	if got := text(t, held, ctx, whoServes); got != "primary" {
		t.Errorf("after a refused write it is served by %q", got)
	}
	held.Close()

	// What was written meanwhile under its bookmark.
	eventually(t, "the replica serves", func() bool { return serverOf(t, db, priority.WithReadOnly(ctx)) == "replica" })
	var b priority.Bookmark
	mine := priority.WithBookmark(ctx, &b)
	held = conn(t, db, mine)
	if got := text(t, held, mine, whoServes); got != "replica" {
		t.Fatalf("served by %q", got)
	}
	standby, err := sql.Open("pgx", pair.Standby().DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer standby.Close()
	if _, err := standby.ExecContext(ctx, "select pg_wal_replay_pause()"); err != nil {
		t.Fatal(err)
	}
	exec(t, db, mine, "insert into notes values (4711)")
	if got := text(t, held, mine, "select count(*) from notes where n = 4711"); got != "1" {
		t.Errorf("under its bookmark %s of the notes are seen", got)
	}
	held.Close()
	if _, err := standby.ExecContext(ctx, "select pg_wal_replay_resume()"); err != nil {
		t.Fatal(err)
	}
}
