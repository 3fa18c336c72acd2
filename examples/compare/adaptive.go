package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/connector"
)

// adaptiveMost is how many connections the adaptive pool may open, and the largest fixed pool has.
const adaptiveMost = 64

// fixedSizes are those that the adaptive limit is compared with.
var fixedSizes = []int{2, 4, 8, 16, 32, adaptiveMost}

// A workload is one statement. What is best for it is another number of connections than for the others.
type workload struct{ short, name, statement string }

var workloads = []workload{
	{"cpu", "CPU-bound", "select count(*) from generate_series(1, 20000)"},
	{"latency", "latency-bound", "select pg_sleep(0.02)"},
	{"lock", "lock-bound", "update adaptive set n = n + 1"},
}

// adaptiveGroup is P: pools of fixed sizes and one whose limit follows. What a machine gets done differs from minute to minute by
// more than the sizes do, so that all are open through all rounds, and take turns of a few seconds.
func adaptiveGroup(l *lab) group {
	p := adaptivePlan{
		settle:  time.Duration(l.scale(20_000, 400)) * time.Millisecond,
		warm:    time.Duration(l.scale(300, 20)) * time.Millisecond,
		measure: time.Duration(l.scale(3000, 100)) * time.Millisecond,
	}
	g := group{
		title: fmt.Sprintf("P. 100 callers who never stop, on pools of fixed sizes and on one of at most %d with AdaptiveLimit, which had "+
			"another workload before and %.0f seconds to find out; turns of %.0f seconds",
			adaptiveMost, p.settle.Seconds(), p.measure.Seconds()),
		rounds: 7,
	}
	for _, n := range fixedSizes {
		g.columns = append(g.columns, fmt.Sprint(n))
	}
	g.columns = append(g.columns, "AdaptiveLimit")
	for i, w := range workloads {
		g.experiments = append(g.experiments, p.experiment(l, w, workloads[(i+1)%len(workloads)]))
	}
	return g
}

// adaptivePlan is how long the adaptive pool has after a change of the workload, and the parts of a turn.
type adaptivePlan struct{ settle, warm, measure time.Duration }

// experiment compares the pools under one workload. The adaptive one comes from another.
func (p adaptivePlan) experiment(l *lab, w, before workload) experiment {
	e := experiment{
		name: "P/" + w.short,
		measures: []measure{
			{name: w.name + ": queries/s"},
			{name: w.name + ": limit at the end of a turn"},
		},
	}
	configs := make([]poolsql.Config, 0, len(fixedSizes)+1)
	for _, n := range fixedSizes {
		configs = append(configs, poolsql.Config{MaxConns: n})
	}
	configs = append(configs, poolsql.Config{MaxConns: adaptiveMost, AdaptiveLimit: true})
	pools := make([]adaptivePool, len(configs))
	e.prepare = func(ctx context.Context) (func() error, error) {
		opened := 0
		finish := func() (err error) {
			for _, pool := range pools[:opened] {
				err = errors.Join(err, pool.close())
			}
			return err
		}
		for i, config := range configs {
			var err error
			if pools[i], err = openAdaptive(ctx, l, config); err != nil {
				return nil, errors.Join(err, finish())
			}
			opened++
		}
		adaptive := pools[len(pools)-1]
		for _, w := range []workload{before, w} {
			crowd := startCrowd(ctx, 100, adaptive.runs(w))
			time.Sleep(p.settle)
			crowd.stop()
		}
		if err := ctx.Err(); err != nil {
			return nil, errors.Join(err, finish())
		}
		return finish, nil
	}
	for i := range configs {
		e.arms = append(e.arms, func(ctx context.Context) ([]float64, error) {
			pool := pools[i]
			crowd := startCrowd(ctx, 100, pool.runs(w))
			time.Sleep(p.warm)
			before, began := pool.answered(), time.Now()
			time.Sleep(p.measure)
			rate := float64(pool.answered()-before) / time.Since(began).Seconds()
			limit := pool.stats().Limit
			crowd.stop()
			return []float64{rate, float64(limit)}, ctx.Err()
		})
	}
	return e
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
