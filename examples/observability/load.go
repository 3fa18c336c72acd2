package main

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/poolsql/poolsql"
)

const (
	// A rush comes once in rushEvery and lasts for rushLasts, so that there are hills to see.
	rushEvery = 2 * time.Minute
	rushLasts = 30 * time.Second
	// pause is how long a caller rests between two calls, on average.
	pause = 60 * time.Millisecond
)

// A visit is something that callers do.
type visit struct {
	label string
	class poolsql.Class
	// share is how many of a hundred calls are such.
	share int
	do    func(context.Context, *sql.DB, goods) error
}

var visits = []visit{
	{"article page", poolsql.High, 50, readArticle},
	{"order", poolsql.Normal, 25, order},
	{"search", poolsql.Normal, 14, search},
	{"report", poolsql.Low, 8, makeReport},
	{"mistake", poolsql.Normal, 3, mistake},
}

var tenants = []string{"acme", "globex", "initech", "umbrella"}

// load has callers come until ctx ends, and returns when the last one has left.
func load(ctx context.Context, s *shop, g goods, callers int) {
	var here sync.WaitGroup
	began := time.Now()
	for i := range 3 * callers {
		here.Go(func() {
			for rest(ctx, time.Duration(rand.Int64N(int64(2*pause)))) {
				if i < callers || time.Since(began)%rushEvery > rushEvery-rushLasts {
					pick().call(ctx, s, g)
				}
			}
		})
	}
	here.Go(func() {
		for rest(ctx, 10*time.Second) {
			_ = forget(ctx, s.db)
		}
	})
	here.Wait()
}

// rest waits, and reports whether ctx has not ended.
func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// pick chooses a visit by the shares.
func pick() *visit {
	n := rand.IntN(100)
	for i := range visits {
		if n -= visits[i].share; n < 0 {
			return &visits[i]
		}
	}
	return &visits[0]
}

// call is what the handler of a request would do: a span, a class, a label and a tenant. What it fails with is for the pages to
// show.
func (v *visit) call(ctx context.Context, s *shop, g goods) {
	ctx, span := s.traces.Tracer("shop").Start(ctx, v.label)
	defer span.End()
	ctx = poolsql.WithPriority(ctx, v.class)
	ctx = poolsql.WithLabel(ctx, v.label)
	ctx = poolsql.WithTenant(ctx, tenants[min(rand.IntN(8), len(tenants)-1)]) // the last one has the most
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_ = v.do(ctx, s.db, g)
}

func readArticle(ctx context.Context, db *sql.DB, g goods) error {
	var name string
	return db.QueryRowContext(ctx, g.sql("select name from shop.articles where id = $1"), rand.IntN(articles)+1).Scan(&name)
}

// order is a transaction, which is tried again if it loses against another.
func order(ctx context.Context, db *sql.DB, g goods) error {
	return poolsql.RunTx(ctx, db, poolsql.TxOptions{}, func(ctx context.Context, tx *sql.Tx) error {
		article := rand.IntN(20) + 1 // few, so that orders meet
		if _, err := tx.ExecContext(ctx, g.sql("update shop.articles set stock = stock - 1 where id = $1"), article); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, g.sql("insert into shop.orders (article, customer, n) values ($1, $2, 1)"), article, "somebody")
		return err
	})
}

func search(ctx context.Context, db *sql.DB, g goods) error {
	rows, err := db.QueryContext(ctx, g.sql("select id, name from shop.articles where name like '%' || $1 || '%' limit 50"), fmt.Sprint(rand.IntN(100)))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id int
		var name string
		if err := rows.Scan(&id, &name); err != nil {
			return err
		}
	}
	return rows.Err()
}

// makeReport keeps a connection for a while, as a report does.
func makeReport(ctx context.Context, db *sql.DB, g goods) error {
	var n int
	return db.QueryRowContext(ctx, g.sql("select count(*) from shop.orders, pg_sleep(0.08)")).Scan(&n)
}

// mistake is a statement that fails.
func mistake(ctx context.Context, db *sql.DB, g goods) error {
	_, err := db.ExecContext(ctx, g.sql("select price from shop.articles"))
	return err
}

// forget holds a connection for longer than LeakThreshold, and asks for a second one meanwhile.
func forget(ctx context.Context, db *sql.DB) error {
	ctx = poolsql.WithLabel(poolsql.WithOwner(ctx), "forgetful")
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.PingContext(ctx); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "select 1"); err != nil {
		return err
	}
	rest(ctx, 3*time.Second)
	return nil
}
