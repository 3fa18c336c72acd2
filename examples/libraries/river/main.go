// Command river shows a job queue in the database over poolsql: River, by its driver for database/sql.
//
//	go run ./examples/libraries/river
//
// You will see jobs that are inserted in the transaction that makes them necessary, so that one which is rolled back leaves
// none, and workers whose work is of class Low, so that it never stands before people. Without a listener River polls; it
// takes one as a pool of pgx (riverdatabasesql.NewWithPgxListener).
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/examples/internal/short"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
)

func main() { short.Main("river", show) }

// letter is a job: its fields are what the worker needs.
type letter struct {
	Order int `json:"order"`
}

func (letter) Kind() string { return "letter" }

// writer works on letters.
type writer struct {
	river.WorkerDefaults[letter]
	db   *sql.DB
	sent atomic.Int64
}

func (w *writer) Work(ctx context.Context, job *river.Job[letter]) error {
	ctx = poolsql.WithPriority(poolsql.WithLabel(ctx, "letter"), poolsql.Low)
	_, err := w.db.ExecContext(ctx, "update orders set confirmed = true where id = $1", job.Args.Order)
	w.sent.Add(1)
	return err
}

func show(ctx context.Context, cfg poolsql.Config, out io.Writer) error {
	db, err := poolsql.Open(cfg) // in your program: poolsql.Open(poolsql.Config{DSN: dsn, MaxConns: 20})
	if err != nil {
		return err
	}
	defer db.Close()
	queue := riverdatabasesql.New(db)
	migrator, err := rivermigrate.New(queue, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(poolsql.WithoutLimits(ctx), rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, "create table orders (id int primary key, confirmed bool not null default false)"); err != nil {
		return err
	}

	workers := river.NewWorkers()
	w := &writer{db: db}
	river.AddWorker(workers, w)
	client, err := river.NewClient(queue, &river.Config{
		Logger:            slog.New(slog.DiscardHandler),
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 4}},
		FetchPollInterval: 100 * time.Millisecond,
		Workers:           workers,
	})
	if err != nil {
		return err
	}
	done, unsubscribe := client.Subscribe(river.EventKindJobCompleted, river.EventKindJobFailed)
	defer unsubscribe()
	if err := client.Start(ctx); err != nil {
		return err
	}
	defer client.Stop(context.WithoutCancel(ctx))

	for id := range 10 {
		if err := order(ctx, db, client, id); err != nil {
			return err
		}
	}
	for range 5 {
		select {
		case event := <-done:
			if event.Job.State != rivertype.JobStateCompleted {
				return fmt.Errorf("the job of order %s is %s", event.Job.EncodedArgs, event.Job.State)
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(30 * time.Second):
			return errors.New("the jobs are not done")
		}
	}
	if err := client.Stop(ctx); err != nil {
		return err
	}

	var orders, confirmed int
	err = db.QueryRowContext(ctx, "select count(*), count(*) filter (where confirmed) from orders").Scan(&orders, &confirmed)
	fmt.Fprintf(out, "10 orders were begun, %d are there, %d letters were sent, %d orders are confirmed\n", orders, w.sent.Load(), confirmed)
	return err
}

// order takes one, of which every second does not come about, and its letter with it.
func order(ctx context.Context, db *sql.DB, client *river.Client[*sql.Tx], id int) error {
	errNotPaid := errors.New("not paid")
	err := poolsql.RunTx(ctx, db, poolsql.TxOptions{}, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "insert into orders (id) values ($1)", id); err != nil {
			return err
		}
		if _, err := client.InsertTx(ctx, tx, letter{Order: id}, nil); err != nil {
			return err
		}
		if id%2 == 1 {
			return errNotPaid
		}
		return nil
	})
	if errors.Is(err, errNotPaid) {
		return nil
	}
	return err
}
