package bank

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

const (
	// accounts is so many that transfers seldom wait for each other, and so few that some do.
	accounts = 64
	opening  = 1000 // of each account
)

// schema is the tables, full of money.
const schema = `
	create table accounts (id int primary key, balance bigint not null);
	create table transfers (id bigint primary key, debit int not null, credit int not null, amount bigint not null);
	insert into accounts select i, %d from generate_series(0, %d) i`

// Create makes the tables. They belong to the role of conn.
func Create(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, fmt.Sprintf(schema, opening, accounts-1))
	if err != nil {
		return fmt.Errorf("create the bank: %w", err)
	}
	return nil
}

// A transfer is to be done once or not at all.
type transfer struct {
	id            int64 // nobody else's
	debit, credit int
	amount        int64
}

// moveOnce does a transfer in one statement. The rows are locked in the order of their numbers, so that two transfers
// between the same accounts do not wait for each other.
const moveOnce = `
	with noted as (
		insert into transfers (id, debit, credit, amount) values ($1, $2, $3, $4) %s
		returning id, debit, credit, amount
	), locked as materialized (
		select id from accounts where id in ($2::int, $3::int) order by id for update
	)
	update accounts a set balance = a.balance + case when a.id = n.debit then -n.amount else n.amount end
	from noted n, locked l where a.id = l.id %s`

var (
	move       = fmt.Sprintf(moveOnce, "", "")
	moveReturn = fmt.Sprintf(moveOnce, "", "returning n.id")
	// moveRepeatably does nothing the second time.
	moveRepeatably = fmt.Sprintf(moveOnce, "on conflict do nothing", "")
)

// The same in steps, for transactions.
const (
	note   = "insert into transfers (id, debit, credit, amount) values ($1, $2, $3, $4)"
	adjust = "update accounts set balance = balance + $2 where id = $1"
	look   = "select balance from accounts where id = $1"
)

// literally returns the statement with the transfer's values in the place of its arguments. All of them are numbers.
func (t *transfer) literally(statement string) string {
	return strings.NewReplacer(
		"$1", strconv.FormatInt(t.id, 10), "$2", strconv.Itoa(t.debit), "$3", strconv.Itoa(t.credit),
		"$4", strconv.FormatInt(t.amount, 10),
	).Replace(statement)
}

// A posting is one side of a transfer.
type posting struct {
	account int
	amount  int64
}

// postings are in the order in which all lock the accounts.
func (t *transfer) postings() [2]posting {
	from, to := posting{t.debit, -t.amount}, posting{t.credit, t.amount}
	if from.account < to.account {
		return [2]posting{from, to}
	}
	return [2]posting{to, from}
}
