package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// openingBalance is what every account holds at the start, in cents.
const openingBalance = 100_000

const (
	branchCount      = 10
	tellersPerBranch = 10
	tellerCount      = branchCount * tellersPerBranch
)

// bank is the small bank that the load works on, four tables in a schema of their own. It is never changed once it is
// loaded. Safe for concurrent use.
type bank struct {
	schema   string
	accounts int
}

// opening is the sum of all balances when the bank opens, in cents.
func (b bank) opening() int64 { return int64(b.accounts) * openingBalance }

// sql puts the schema's name where a statement says "bank.". The name is written out, rather than left to search_path,
// because a connection pooler between us and the database may refuse to set one.
func (b bank) sql(text string) string {
	return strings.ReplaceAll(text, "bank.", pgx.Identifier{b.schema}.Sanitize()+".")
}

// history has no unique key on purpose: a transfer that was done twice must show up in the proof, not be refused here.
const createTables = `
create table bank.branches (id int primary key, turnover bigint not null) with (fillfactor = 50);
create table bank.tellers  (id int primary key, branch_id int not null, turnover bigint not null) with (fillfactor = 50);
create table bank.accounts (id int not null, branch_id int not null, balance bigint not null) with (fillfactor = 90);
create table bank.history  (
	id bigint not null, from_account int not null, to_account int not null,
	teller_id int not null, branch_id int not null, delta bigint not null,
	at timestamptz not null default now()
)`

// openBank creates the schema and fills it. On failure the schema may be there in part: Database.Drop is right in every case.
func openBank(ctx context.Context, conn *pgx.Conn, b bank) error {
	if _, err := conn.Exec(ctx, "create schema "+pgx.Identifier{b.schema}.Sanitize()); err != nil {
		return fmt.Errorf("create the schema %s: %w", b.schema, err)
	}
	if _, err := conn.Exec(ctx, b.sql(createTables)); err != nil {
		return fmt.Errorf("create the tables: %w", err)
	}
	fill := []struct {
		table   string
		columns []string
		rows    int
		row     func(i int) []any
	}{
		{"branches", []string{"id", "turnover"}, branchCount, func(i int) []any { return []any{i + 1, 0} }},
		{"tellers", []string{"id", "branch_id", "turnover"}, tellerCount, func(i int) []any {
			return []any{i + 1, branchOf(i + 1), 0}
		}},
		{"accounts", []string{"id", "branch_id", "balance"}, b.accounts, func(i int) []any {
			return []any{i + 1, branchOf(i + 1), openingBalance}
		}},
	}
	for _, f := range fill {
		rows := pgx.CopyFromSlice(f.rows, func(i int) ([]any, error) { return f.row(i), nil })
		if _, err := conn.CopyFrom(ctx, pgx.Identifier{b.schema, f.table}, f.columns, rows); err != nil {
			return fmt.Errorf("load %s: %w", f.table, err)
		}
	}
	// The key comes after the rows: building it once is far cheaper than keeping it up to date 100,000 times.
	if _, err := conn.Exec(ctx, b.sql("alter table bank.accounts add primary key (id)")); err != nil {
		return fmt.Errorf("index the accounts: %w", err)
	}
	return nil
}

// branchOf tells the branch of an account or of a teller, both counted from 1.
func branchOf(id int) int { return (id-1)%branchCount + 1 }

// tidy clears away the dead rows that the side before left, so that neither side reads more than the other.
func tidy(ctx context.Context, conn *pgx.Conn, b bank) error {
	for _, table := range []string{"branches", "tellers", "accounts", "history"} {
		if _, err := conn.Exec(ctx, b.sql("vacuum analyze bank."+table)); err != nil {
			return fmt.Errorf("vacuum %s: %w", table, err)
		}
	}
	return nil
}
