package main

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/jackc/pgx/v5"
)

const (
	tellersPerBranch = 10
	// pgbench has 100,000. With these, all of it fits into the cache of any server, and is there in a second: what is looked
	// for is how many connections keep the server busy, and not how large its disk is.
	accountsPerBranch = 1000
)

// bench is what pgbench's default scenarios work on, in a schema of its own. Safe for concurrent use.
type bench struct {
	schema   string
	branches int
}

// benchFor gives enough branches for the largest pool. Every transaction updates one of them; with fewer branches than
// connections the rows of the branches would be what limits, as pgbench's manual warns.
func benchFor(schema string, largest int) bench {
	return bench{schema: schema, branches: max(2*largest, 20)}
}

// sql puts the schema's name where a statement says "bench.". The name is written out, rather than left to search_path,
// because a connection pooler between us and the database may refuse to set one.
func (b bench) sql(text string) string {
	return strings.ReplaceAll(text, "bench.", pgx.Identifier{b.schema}.Sanitize()+".")
}

const fillBench = `
create table bench.branches (bid int primary key, bbalance int not null) with (fillfactor = 50);
create table bench.tellers  (tid int primary key, bid int not null, tbalance int not null) with (fillfactor = 50);
create table bench.accounts (aid int primary key, bid int not null, abalance int not null) with (fillfactor = 90);
create table bench.history  (tid int not null, bid int not null, aid int not null, delta int not null, mtime timestamp not null);
insert into bench.branches select b, 0 from generate_series(1, $branches) b;
insert into bench.tellers  select t, 1 + (t - 1) / $tellers, 0 from generate_series(1, $branches * $tellers) t;
insert into bench.accounts select a, 1 + (a - 1) / $accounts, 0 from generate_series(1, $branches * $accounts) a;
analyze bench.branches; analyze bench.tellers; analyze bench.accounts`

// open creates the schema and fills it. On failure it may be there in part: database.drop is right in every case.
func (b bench) open(ctx context.Context, conn *pgx.Conn) error {
	text := strings.NewReplacer("$branches", fmt.Sprint(b.branches), "$tellers", fmt.Sprint(tellersPerBranch),
		"$accounts", fmt.Sprint(accountsPerBranch)).Replace("create schema bench.;" + fillBench)
	text = b.sql(strings.Replace(text, "create schema bench.;", "create schema "+pgx.Identifier{b.schema}.Sanitize()+";", 1))
	// Several statements at once, by the simple protocol; they commit one and all.
	if _, err := conn.PgConn().Exec(ctx, text).ReadAll(); err != nil {
		return fmt.Errorf("fill the schema %s: %w", b.schema, err)
	}
	return nil
}

// load returns one of the program's own workloads.
func (b bench) load(name string) workload {
	if name == loadSelect {
		text := b.sql("select abalance from bench.accounts where aid = $1")
		return workload{name: "a select by key (pgbench -S)", call: func(ctx context.Context, db *sql.DB) error {
			var balance int
			return db.QueryRowContext(ctx, text, b.account()).Scan(&balance)
		}}
	}
	steps := [...]string{
		b.sql("update bench.accounts set abalance = abalance + $1 where aid = $2"),
		b.sql("select abalance from bench.accounts where aid = $1"),
		b.sql("update bench.tellers set tbalance = tbalance + $1 where tid = $2"),
		b.sql("update bench.branches set bbalance = bbalance + $1 where bid = $2"),
		b.sql("insert into bench.history (tid, bid, aid, delta, mtime) values ($1, $2, $3, $4, current_timestamp)"),
	}
	return workload{name: "a transaction like TPC-B (pgbench)", call: func(ctx context.Context, db *sql.DB) error {
		aid, tid, bid := b.account(), 1+rand.IntN(b.branches*tellersPerBranch), 1+rand.IntN(b.branches)
		delta := rand.IntN(10_001) - 5000
		// pgbench's default, whatever the database's is: a higher one would have transactions fail, and they are not retried.
		tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if _, err := tx.ExecContext(ctx, steps[0], delta, aid); err != nil {
			return err
		}
		var balance int
		if err := tx.QueryRowContext(ctx, steps[1], aid).Scan(&balance); err != nil {
			return err
		}
		// Everybody locks in this order, account, teller, branch, so that nobody can wait in a circle.
		for i, args := range [][]any{{delta, tid}, {delta, bid}, {tid, bid, aid, delta}} {
			if _, err := tx.ExecContext(ctx, steps[2+i], args...); err != nil {
				return err
			}
		}
		return tx.Commit()
	}}
}

func (b bench) account() int { return 1 + rand.IntN(b.branches*accountsPerBranch) }
