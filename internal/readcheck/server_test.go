package readcheck_test

import (
	"errors"
	"math/rand"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql/internal/sqltext"
	"github.com/poolsql/poolsql/internal/testdb"
)

// A read-only transaction of a server refuses what writes, with 25006; mine, a function of the user's, is one that it would
// refuse in any. Whatever is called a read must neither be refused nor take a lock that outlives it.
func TestAServerRefusesNothingThatIsCalledARead(t *testing.T) {
	testdb.NoLeaks(t)
	db := testdb.New(t)
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, `create table t (a int, b text); create table u (a int); create sequence s; insert into t values (1, 'x');
		create function mine(anyelement) returns int language sql as 'insert into u values (1) returning 1';
		create function groups(anyelement) returns int language sql as 'insert into u values (1) returning 1';
		create function "varying"(anyelement) returns int language sql as 'insert into u values (1) returning 1';
		create function "over"(anyelement) returns int language sql as 'insert into u values (1) returning 1';
		create function "in"(anyelement) returns int language sql as 'insert into u values (1) returning 1'`); err != nil {
		t.Fatal(err)
	}
	seed := time.Now().UnixNano()
	rnd := rand.New(rand.NewSource(seed))
	reads, ran := 0, 0
	for end := time.Now().Add(howLong()); time.Now().Before(end); {
		query := generate(rnd)
		if !sqltext.Reads(query) {
			continue
		}
		reads++
		_, err := conn.PgConn().Exec(ctx, "begin read only; set local statement_timeout = '1s'").ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		rows, err := conn.PgConn().Exec(ctx, query).ReadAll()
		var said *pgconn.PgError
		switch {
		case errors.As(err, &said) && said.Code == "25006":
			t.Fatalf("seed %d: called a read, and refused: %q: %v", seed, query, err)
		case err == nil && len(rows) == 1:
			ran++
		}
		if _, err := conn.PgConn().Exec(ctx, "rollback").ReadAll(); err != nil {
			t.Fatal(err)
		}
		if reads%50 != 0 {
			continue
		}
		var locks int
		if err := conn.QueryRow(ctx, "select count(*) from pg_locks where locktype = 'advisory'").Scan(&locks); err != nil || locks > 0 {
			t.Fatalf("seed %d: %d locks are left: %v", seed, locks, err)
		}
	}
	t.Logf("of %d reads %d ran", reads, ran)
	if ran < 20 {
		t.Error("too few to mean anything")
	}
}
