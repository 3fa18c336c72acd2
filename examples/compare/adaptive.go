package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/connector"
)

// adaptiveMost is how many connections the adaptive pool may open, and the largest fixed pool has.
const adaptiveMost = 64

// fixedSizes are those that the adaptive limit is compared with.
var fixedSizes = []int{2, 4, 8, 16, 32, adaptiveMost}

// A workload is one statement. What is best for it is another number of connections than for the others.
type workload struct{ name, statement string }

var workloads = []workload{
	{"CPU-bound", "select count(*) from generate_series(1, 20000)"},
	{"latency-bound", "select pg_sleep(0.02)"},
	{"lock-bound", "update adaptive set n = n + 1"},
}

// adaptiveGroup is P: one pool whose workload changes, with fixed sizes and with a limit that follows.
func adaptiveGroup(l *lab) group {
	p := adaptivePlan{
		settle:  time.Duration(l.scale(20_000, 400)) * time.Millisecond,
		fixed:   time.Duration(l.scale(1000, 50)) * time.Millisecond,
		measure: time.Duration(l.scale(4000, 200)) * time.Millisecond,
	}
	e := experiment{name: "P/adaptive"}
	for _, w := range workloads {
		e.measures = append(e.measures, measure{name: w.name + ": queries/s"})
	}
	for _, w := range workloads {
		e.measures = append(e.measures, measure{name: w.name + ": limit at the end"})
	}
	g := group{
		title: fmt.Sprintf("P. 100 callers who never stop, whose statements change every %.0f seconds, on pools of fixed sizes and on one of "+
			"at most %d with AdaptiveLimit, which has %.0f seconds each time to find out",
			(p.settle + p.measure).Seconds(), adaptiveMost, p.settle.Seconds()),
		rounds: 1,
	}
	for _, n := range fixedSizes {
		g.columns = append(g.columns, fmt.Sprint(n))
		e.arms = append(e.arms, p.arm(l, poolsql.Config{MaxConns: n}, p.fixed))
	}
	g.columns = append(g.columns, "AdaptiveLimit")
	e.arms = append(e.arms, p.arm(l, poolsql.Config{MaxConns: adaptiveMost, AdaptiveLimit: true}, p.settle))
	g.experiments = []experiment{e}
	return g
}

// adaptivePlan is how long each workload lasts.
type adaptivePlan struct{ settle, fixed, measure time.Duration }

func (p adaptivePlan) arm(l *lab, config poolsql.Config, settle time.Duration) arm {
	return func(ctx context.Context) (values []float64, err error) {
		pool, err := openAdaptive(ctx, l, config)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, pool.close()) }()
		var limits []float64
		for _, w := range workloads {
			crowd := startCrowd(ctx, 100, pool.runs(w))
			time.Sleep(settle)
			before, began := pool.answered(), time.Now()
			time.Sleep(p.measure)
			values = append(values, float64(pool.answered()-before)/time.Since(began).Seconds())
			limits = append(limits, float64(pool.stats().Limit))
			crowd.stop()
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
		return slices.Concat(values, limits), nil
	}
}

// An adaptivePool is a pool with a database that has a row to fight for.
type adaptivePool struct {
	sqlPool
	stats func() connector.Stats
}

func openAdaptive(ctx context.Context, l *lab, config poolsql.Config) (adaptivePool, error) {
	dsn, err := l.stoppableDatabase(ctx) // a server of our own, as there is a table to make
	if err != nil {
		return adaptivePool{}, err
	}
	config.DSN = dsn
	db, err := poolsql.Open(config)
	if err != nil {
		return adaptivePool{}, err
	}
	pool, err := poolsql.FromDB(db)
	for _, statement := range []string{
		"create table if not exists adaptive (n bigint not null)", "truncate adaptive", "insert into adaptive values (0)",
	} {
		if err == nil {
			_, err = db.ExecContext(ctx, statement)
		}
	}
	if err != nil {
		return adaptivePool{}, errors.Join(err, db.Close())
	}
	return adaptivePool{sqlPool{db: db, close: db.Close}, pool.Stats}, nil
}

func (p adaptivePool) runs(w workload) operation {
	return func(ctx context.Context) error {
		_, err := p.db.ExecContext(ctx, w.statement)
		return err
	}
}

func (p adaptivePool) answered() uint64 { return p.stats().ReleaseCount }
