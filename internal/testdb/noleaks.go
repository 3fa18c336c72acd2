package testdb

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// goroutineGrace and backendGrace are how long those that are about to end
	// may take. A goroutine needs a turn of the scheduler; a backend first has
	// to read the end of its connection, perhaps after rolling back.
	goroutineGrace = 2 * time.Second
	backendGrace   = 5 * time.Second
)

// NoLeaks fails the test if it leaves goroutines behind, or connections to the
// databases that New gave it. Call it first: what is registered with t.Cleanup
// later has run before it looks, and the databases are dropped only afterwards.
//
// Goroutines cannot be told from those of tests at the same time, so a test that
// calls NoLeaks cannot be parallel; t.Parallel panics. NoLeaksInParallel is for
// those. Databases that a subtest gets belong to the subtest.
func NoLeaks(t testing.TB) {
	t.Helper()
	startCheck(t, &leakCheck{goroutineGrace: goroutineGrace, backendGrace: backendGrace})
}

func startCheck(t testing.TB, c *leakCheck) {
	t.Helper()
	if c.owner == "" {
		// Set for its side effect: the testing package then refuses t.Parallel.
		t.Setenv("POOLSQL_TEST_NOLEAKS", t.Name())
		c.before = goroutineIDs()
	}
	if !checks.open(t, c) {
		t.Fatal("testdb: NoLeaks must be called once, and before New")
	}
	t.Cleanup(func() {
		t.Helper()
		checks.done(t)
		c.finish(t)
	})
}

// leakCheck is the check of one test. The test's own goroutine uses it.
type leakCheck struct {
	goroutineGrace, backendGrace time.Duration

	owner     string          // label of its goroutines, or "" to count all that were not there before
	before    map[string]bool // ids of the goroutines that were there
	databases []*DB
}

func (c *leakCheck) finish(t testing.TB) {
	t.Helper()
	for _, db := range c.databases {
		if left, err := backendsLeft(db, c.backendGrace); err != nil {
			t.Errorf("testdb: look for connections left open: %v", err)
		} else if len(left) > 0 {
			t.Errorf("testdb: %d connections left open:\n\t%s", len(left), strings.Join(left, "\n\t"))
		}
		db.discardNow(t)
	}
	if left := c.goroutinesLeft(); len(left) > 0 {
		t.Errorf("testdb: %d goroutines left:\n\n%s", len(left), strings.Join(left, "\n\n"))
	}
}

func (c *leakCheck) goroutinesLeft() []string {
	if c.owner != "" {
		return ownedLeft(c.owner, c.goroutineGrace)
	}
	return goroutinesLeft(c.before, c.goroutineGrace)
}

// backendsLeft describes the sessions that are still on the database at the end
// of the grace, without the text of their statements, which may hold values. On
// a server that the test has stopped there are none.
func backendsLeft(db *DB, grace time.Duration) (left []string, err error) {
	if db.Server.stopped() {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), grace+dropTimeout)
	defer cancel()
	// The test may have ended while the server recovers from a crash.
	if err := db.Server.WaitReady(ctx); err != nil {
		return nil, err
	}
	err = db.Server.admin(ctx, func(conn *pgx.Conn) error {
		return poll(grace, func() (done bool, err error) {
			left, err = backends(ctx, conn, db.Name)
			return len(left) == 0, err
		})
	})
	return left, err
}

func backends(ctx context.Context, conn *pgx.Conn, database string) ([]string, error) {
	rows, err := conn.Query(ctx, `
		select format('pid %s, application %L, %s, connected for %s ms, in this state for %s ms',
			pid, application_name, coalesce(state, 'starting'),
			round(1000 * extract(epoch from clock_timestamp() - backend_start)),
			coalesce(round(1000 * extract(epoch from clock_timestamp() - state_change)), 0))
		from pg_stat_activity
		where datname = $1 and backend_type = 'client backend'
		order by backend_start`, database)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// poll calls done until it says so, fails, or the time is over; nobody tells us
// when a backend or a goroutine ends.
func poll(limit time.Duration, done func() (bool, error)) error {
	deadline := time.Now().Add(limit)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		ok, err := done()
		if ok || err != nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(pause)
	}
}

// checks holds what New has to know of NoLeaks.
var checks = checkRegistry{
	running:  map[testing.TB]*leakCheck{},
	tooEarly: map[testing.TB]bool{},
}

type checkRegistry struct {
	mu sync.Mutex
	// mu guards everything that follows.

	running  map[testing.TB]*leakCheck
	tooEarly map[testing.TB]bool // tests that called New without a check
}

// open reports whether the check can see all that the test does.
func (r *checkRegistry) open(t testing.TB, c *leakCheck) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tooEarly[t] || r.running[t] != nil {
		return false
	}
	r.running[t] = c
	return true
}

func (r *checkRegistry) done(t testing.TB) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running, t)
}

// addDatabase gives the database to the test's check, to be looked at and then
// dropped. Without one it reports false, and dropping is the caller's.
func (r *checkRegistry) addDatabase(t testing.TB, db *DB) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.running[t]; c != nil {
		c.databases = append(c.databases, db)
		return true
	}
	if !r.tooEarly[t] {
		r.tooEarly[t] = true
		t.Cleanup(func() { r.forget(t) })
	}
	return false
}

func (r *checkRegistry) forget(t testing.TB) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.tooEarly, t)
}
