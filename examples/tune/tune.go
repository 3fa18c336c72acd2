package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/examples/internal/database"
	"github.com/poolsql/poolsql/examples/internal/display"
	"github.com/poolsql/poolsql/examples/internal/program"
)

// tune opens the database, measures, and reports. Whatever happens, it leaves neither a server nor a schema behind.
func tune(ctx context.Context, s settings, stdout, stderr io.Writer) (err error) {
	// A commit has to wait for the disk as it does in production: that wait is a good part of why more connections help.
	d, err := database.Open(ctx, "tune", s.dsn, stderr, "fsync = on", "synchronous_commit = on", "full_page_writes = on")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, program.LeftBehind(d.Close())) }()

	// The load never uses this connection: it asks and prepares, apart from the pool.
	asker, err := d.Connect(ctx, "asker")
	if err != nil {
		return err
	}
	defer asker.Close(context.WithoutCancel(ctx))
	srv, err := askServer(ctx, asker)
	if err != nil {
		return err
	}
	sizes, cut, err := s.rungs(srv.room())
	if err != nil {
		return err
	}

	load := statementOf(s.query, s.values)
	if s.query == "" {
		b := benchFor(d.Schema, sizes[len(sizes)-1])
		defer func() { err = errors.Join(err, program.LeftBehind(d.Drop(ctx))) }()
		if !d.Embedded() {
			fmt.Fprintf(stderr, "in a schema of its own, %s, which is dropped at the end\n", b.schema)
		}
		if err := b.open(ctx, asker); err != nil {
			return err
		}
		load = b.load(s.load)
	}
	r := report{settings: s, load: load, server: srv, cut: cut, here: isHere(d.ConnConfig("").Host), embedded: d.Embedded()}
	if r.rungs, r.waits, err = measureAll(ctx, s, d, asker, load, sizes, stderr); err != nil {
		return err
	}
	r.judge()
	return r.publish(stdout)
}

// measureAll opens the pool and has it measured in every size.
func measureAll(ctx context.Context, s settings, d *database.Database, asker *pgx.Conn, load workload, sizes []int, stderr io.Writer) (_ []rung, _ *waits, err error) {
	const user = "load"
	notes := &recorder{}
	db, err := poolsql.Open(underMeasure(d.PoolConfig(user), s.query != "" && !s.write, notes))
	if err != nil {
		return nil, nil, err
	}
	pool, err := poolsql.FromDB(db)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	defer func() {
		err = errors.Join(err, db.Close())
		<-pool.Done() // or the schema would be dropped under a transaction that is just being rolled back
	}()
	if err := announce(ctx, s, db, load, sizes, stderr); err != nil {
		return nil, nil, err
	}
	w := &waits{conn: asker, applicationName: d.ApplicationName(user), found: make(map[int]map[string]int)}
	m := &meter{
		db: db, pool: pool, recorder: notes, load: load, callers: s.callersFor(sizes),
		warmup: s.warmup, duration: s.duration, watch: w.watch,
	}
	p := startProgress(stderr, s, sizes)
	rungs, err := m.climbAll(ctx, sizes, s.passes, p.tell)
	p.end()
	return rungs, w, err
}

// announce tries the load once, and says what is about to happen.
func announce(ctx context.Context, s settings, db *sql.DB, load workload, sizes []int, stderr io.Writer) error {
	if s.query != "" && !s.write {
		if err := requireReadOnly(ctx, db); err != nil {
			return err
		}
	}
	took, err := load.try(ctx, db, lastCalls)
	if err != nil {
		return err
	}
	total := s.total(sizes)
	fmt.Fprint(stderr, wrap(fmt.Sprintf("measuring %s at %s from %d to %d, %d times %s each: %s in all", load.name,
		count(len(sizes), "size"), sizes[0], sizes[len(sizes)-1], s.passes, s.duration, total.Round(time.Second))))
	if s.query == "" {
		return nil
	}
	// As if the smallest size did as one call alone, and none did worse: it will be more.
	fmt.Fprint(stderr, wrap(fmt.Sprintf("YOUR STATEMENT RUNS %s TIMES OR MORE against this database (once, alone, it took %s); Ctrl-C stops it",
		display.Number(max(1, int(total/max(took, time.Microsecond)))), display.Milliseconds(took))))
	return nil
}

// total is how long the measuring takes, but for opening connections and for calls that outlast their step.
func (s settings) total(sizes []int) time.Duration {
	return time.Duration(len(sizes)*s.passes) * (s.warmup + s.duration)
}

// callersFor gives more callers than connections in every size.
func (s settings) callersFor(sizes []int) int {
	if s.callers > 0 {
		return s.callers
	}
	return 2 * sizes[len(sizes)-1]
}

// coresOf are those of the server, 0 if unknown.
func (r *report) coresOf() int {
	switch {
	case r.settings.cores > 0:
		return r.settings.cores
	case r.here:
		return runtime.NumCPU()
	default:
		return 0
	}
}

// judge draws the conclusions from what was measured.
func (r *report) judge() {
	sizes := each(r.rungs, func(g rung) int { return g.size })
	rates := each(r.rungs, func(g rung) []float64 {
		return each(g.samples, func(s sample) float64 { return max(s.perSecond, leastRate) })
	})
	r.finding = findKnee(sizes, rates, r.settings.tolerance)
	r.formula = formulaFor(r.coresOf())
	r.choice = choose(r.rungs, r.finding, r.settings, r.server)
}

// leastRate stands for none at all, of which there is no logarithm.
const leastRate = 1e-9

// publish writes the report, and draws the picture if one is asked for.
func (r *report) publish(stdout io.Writer) error {
	r.write(stdout)
	if r.settings.svg == "" {
		return nil
	}
	var picture bytes.Buffer
	if err := r.draw(&picture); err != nil {
		return fmt.Errorf("draw the chart: %w", err)
	}
	if err := os.WriteFile(r.settings.svg, picture.Bytes(), 0o644); err != nil {
		return fmt.Errorf("draw the chart: %w", err)
	}
	fmt.Fprintf(stdout, "\nThe chart is in %s.\n", r.settings.svg)
	return nil
}
