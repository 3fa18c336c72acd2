package health_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/health"
	"github.com/poolsql/poolsql/lifecycle"
)

// An engine is a database in this process, whose time may be that of a synctest bubble. It counts what it is asked.
type engine struct {
	mu       sync.Mutex // guards what follows
	takes    time.Duration
	connects error // what a new connection fails with
	fails    error // what each statement fails with
	down     error // what each statement and each ping fails with
	hangs    bool  // nothing is answered until the caller gives up
	pings    int
	execs    int
}

func (e *engine) set(change func(*engine)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	change(e)
}

func (e *engine) pinged() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.pings
}

// serve answers after a while: as long as the statement says, if it is a duration.
func (e *engine) serve(ctx context.Context, count *int, query string) error {
	e.mu.Lock()
	*count++
	takes, err, hangs := e.takes, e.down, e.hangs
	if d, err := time.ParseDuration(query); err == nil {
		takes = d
	}
	if count == &e.execs && err == nil {
		err = e.fails
	}
	e.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	select {
	case <-time.After(takes):
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *engine) Connect(context.Context) (driver.Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.connects != nil {
		return nil, e.connects
	}
	return &line{e}, nil
}

func (e *engine) Driver() driver.Driver { return nil }

// A line is a connection to an engine.
type line struct{ e *engine }

func (l *line) ExecContext(ctx context.Context, query string, _ []driver.NamedValue) (driver.Result, error) {
	return driver.ResultNoRows, l.e.serve(ctx, &l.e.execs, query)
}

func (l *line) Ping(ctx context.Context) error { return l.e.serve(ctx, &l.e.pings, "") }

func (l *line) Prepare(string) (driver.Stmt, error) { return nil, errors.ErrUnsupported }
func (l *line) Begin() (driver.Tx, error)           { return nil, errors.ErrUnsupported }
func (l *line) Close() error                        { return nil }

// open opens a pool over cfg and a monitor of it, which has not begun. Both end with the test, or with its bubble.
func open(t *testing.T, cfg connector.Config, how health.Config) (*sql.DB, *connector.Connector, *health.Monitor) {
	t.Helper()
	pool := connector.NewConnector(cfg)
	m, err := health.New(pool, how)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(pool)
	t.Cleanup(func() {
		m.Close()
		db.Close()
		<-pool.Done()
	})
	return db, pool, m
}

// work runs a statement every so often on each of n goroutines, until stop is called, which waits for them.
func work(t *testing.T, db *sql.DB, n int, every time.Duration, query string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for ctx.Err() == nil {
				_, _ = db.ExecContext(ctx, query) // what fails is counted elsewhere
				select {
				case <-time.After(every):
				case <-ctx.Done():
				}
			}
		})
	}
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	t.Cleanup(stop)
	return stop
}

// A log keeps what was told, of the kinds that it wants.
type log struct {
	kinds []lifecycle.Kind

	mu     sync.Mutex
	events []lifecycle.Event
}

// ofHealth is a log of what is told of health.
func ofHealth() *log {
	return &log{kinds: []lifecycle.Kind{lifecycle.KindHealthCheck, lifecycle.KindHealthWarning, lifecycle.KindHealthError}}
}

func (l *log) Wants(k lifecycle.Kind) bool { return slices.Contains(l.kinds, k) }

func (l *log) Observe(e lifecycle.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

// take returns what was told since the last time, of one kind.
func (l *log) take(k lifecycle.Kind) []lifecycle.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	var of []lifecycle.Event
	l.events = slices.DeleteFunc(l.events, func(e lifecycle.Event) bool {
		if e.Kind == k {
			of = append(of, e)
		}
		return e.Kind == k
	})
	return of
}

// names returns the names of what was told, in its order.
func (l *log) names() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var names []string
	for _, e := range l.events {
		names = append(names, e.Kind.String())
	}
	return names
}
