package browser_test

import (
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/priority"
)

const second = time.Second

// schema has what the callers of these scenes run. Each function takes for how long it sleeps, so that its callers need no
// data, and the page shows what such callers send.
const schema = `
	create function cart(takes float8) returns table (item int, price numeric) language sql as
		$$ select pg_sleep(takes); select 1, 9.95 $$;
	create function products(takes float8) returns table (name text, stock int) language sql as
		$$ select pg_sleep(takes); select 'lamp', 3 $$;
	create function open_items(takes float8) returns table (customer int, total numeric) language sql as
		$$ select pg_sleep(takes); select 1, 120.00 $$;
	create function sales(takes float8) returns table (region text, total numeric) language sql as
		$$ select pg_sleep(takes); select 'north', 4711.00 $$;
	create function recipients(takes float8) returns table (address text) language sql as
		$$ select pg_sleep(takes); select 'a' $$;
	create table stock (item int, reserved int);
	insert into stock values (1, 0), (2, 0), (3, 0);`

const (
	cart     = "select item, price from cart($1) order by price desc limit 20"
	search   = "select name, stock from products($1) where name like 'lamp%' and stock > 0"
	invoice  = "select customer, sum(total) from open_items($1) group by customer"
	report   = "select region, sum(total) from sales($1) group by region order by 2 desc"
	export   = "select n, repeat('row', 40) from generate_series(1, $1) as orders (n)"
	reserve  = "update stock set reserved = reserved + $1 where item = 40"
	mailings = "select address from recipients($1) where address <> ''"
)

// busy is what a shop does on a good day, on 20 connections.
func (s *scene) busy() {
	s.send(
		caller{label: "checkout", class: priority.High, n: 4, pause: 40 * time.Millisecond, use: statement(cart, 12*time.Millisecond)},
		caller{label: "search", n: 6, pause: 60 * time.Millisecond, use: statement(search, 30*time.Millisecond)},
		caller{label: "invoice", tenant: "acme", n: 3, pause: 200 * time.Millisecond, use: statement(invoice, 150*time.Millisecond)},
		caller{label: "invoice", tenant: "globex", n: 1, pause: second, use: statement(invoice, 400*time.Millisecond)},
		caller{label: "nightly report", class: priority.Low, n: 1, pause: second, use: statement(report, 20*second)},
		caller{label: "export", tenant: "initech", class: priority.Low, n: 1, pause: 3 * second, use: readSlowly(export, 4000, 5*time.Millisecond)},
		caller{label: "reserve stock", n: 1, pause: second, use: idleInTransaction(reserve, 4*second)},
		caller{label: "advisory lock", n: 1, pause: 5 * second, use: holdIdly(30 * second)},
	)
}

// overload is the same shop, whose stock somebody has locked and gone away, on 12 connections.
func (s *scene) overload() {
	s.send(
		caller{label: "reserve stock", n: 4, pause: 200 * time.Millisecond, use: idleInTransaction(reserve, 25*second)},
		caller{label: "nightly report", class: priority.Low, n: 6, pause: second, use: statement(report, 12*second)},
		caller{label: "checkout", class: priority.High, n: 8, pause: 100 * time.Millisecond, use: statement(cart, 300*time.Millisecond)},
		caller{label: "search", n: 14, pause: 100 * time.Millisecond, use: statement(search, 900*time.Millisecond)},
		caller{label: "invoice", tenant: "acme", n: 9, pause: 300 * time.Millisecond, use: statement(invoice, 700*time.Millisecond)},
		caller{label: "invoice", tenant: "globex", n: 2, pause: 300 * time.Millisecond, use: statement(invoice, 700*time.Millisecond)},
		caller{label: "mailings", class: priority.Low, n: 12, pause: second, use: statement(mailings, 2*second)},
	)
}

var (
	busyPool     = connector.Config{MaxConns: 20, MinConns: 14, AcquireTimeout: 5 * second, LeakThreshold: 10 * second}
	overloadPool = connector.Config{MaxConns: 12, AcquireTimeout: 4 * second, HighReserve: 1, LeakThreshold: 10 * second, MaxWaiting: 30}
)
