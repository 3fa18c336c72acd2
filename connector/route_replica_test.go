package connector_test

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// withReplica is a connector on a primary, with a route to its standby.
func withReplica(t *testing.T, change ...func(*connector.Config)) (*testdb.Pair, *sql.DB, *connector.Connector, *recorded) {
	t.Helper()
	pair := testdb.Replicated(t)
	told := new(recorded)
	cfg := connector.Config{
		DSN: pair.PrimaryDSN("application_name=primary"), MaxConns: 6, Observer: told,
		ReplicaCheckInterval: 50 * time.Millisecond,
		Routes: []connector.Route{
			{Name: "replica", Config: connector.Config{DSN: pair.StandbyDSN("application_name=replica")}},
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	db, c := openRouted(t, cfg)
	return pair, db, c, told
}

// recorded keeps the events of some kinds.
type recorded struct {
	mu     sync.Mutex
	events []lifecycle.Event
}

func (r *recorded) Observe(e lifecycle.Event) {
	switch e.Kind {
	case lifecycle.KindRouteOut, lifecycle.KindRouteBack, lifecycle.KindRouteBehind:
		r.mu.Lock()
		defer r.mu.Unlock()
		r.events = append(r.events, e)
	}
}

func (r *recorded) kinds() (kinds []lifecycle.Kind) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came to this: %s", what)
		}
	}
}

func exec(t *testing.T, db *sql.DB, ctx context.Context, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(ctx, query, args...); err != nil {
		t.Fatal(err)
	}
}

func serverOf(t *testing.T, db *sql.DB, ctx context.Context) string {
	t.Helper()
	var name string
	err := db.QueryRowContext(ctx, "show application_name").Scan(&name)
	if err != nil {
		return err.Error()
	}
	return name
}

func TestReadsGoToAReplicaAndSeeWhatTheyWrote(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	_, db, c, _ := withReplica(t)
	ctx := t.Context()
	exec(t, db, ctx, "create table notes (n int)")
	if got := serverOf(t, db, priority.WithReadOnly(ctx)); got != "replica" {
		t.Errorf("the first read is served by %q: %+v", got, c.Routes())
	}
	// Whoever has a bookmark never misses what was written under it, and comes to the replica in the end.
	moved := 0
	for n := 1; n <= 30; n++ {
		var b priority.Bookmark
		mine := priority.WithBookmark(ctx, &b)
		switch n % 3 {
		case 0:
			exec(t, db, mine, "insert into notes values ($1)", n)
		case 1:
			if err := db.QueryRowContext(mine, "insert into notes values ($1) returning n", n).Scan(new(int)); err != nil {
				t.Fatal(err)
			}
		case 2:
			tx, err := db.BeginTx(mine, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.ExecContext(ctx, "insert into notes values ($1)", n); err != nil {
				t.Fatal(err)
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
		}
		end := time.Now().Add(10 * time.Second)
		for away := false; !away; {
			var found int
			var from string
			err := db.QueryRowContext(priority.WithReadOnly(mine), `select count(*), current_setting('application_name')
				from notes where n = $1`, n).Scan(&found, &from)
			if err != nil || found != 1 {
				t.Fatalf("note %d was found %d times on %s: %v", n, found, from, err)
			}
			if away = from == "replica"; !away && time.Now().After(end) {
				t.Fatalf("it is never known that the replica has it: %+v", c.Routes())
			}
		}
		moved++
	}
	if s := c.Routes()[0]; s.FreshAt.IsZero() || s.Lag > time.Second || !s.Serves || moved != 30 {
		t.Errorf("the replica: %+v", s)
	}
}

func TestAReplicaThatIsBehindIsNotChosen(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	pair, db, c, told := withReplica(t, func(cfg *connector.Config) { cfg.MaxReplicaLag = 300 * time.Millisecond })
	ctx := t.Context()
	read := priority.WithReadOnly(ctx)
	exec(t, db, ctx, "create table notes (n int)")
	eventually(t, "the replica serves", func() bool { return serverOf(t, db, read) == "replica" })
	pause := func(what string) {
		standby, err := sql.Open("pgx", pair.Standby().DSN())
		if err != nil {
			t.Fatal(err)
		}
		defer standby.Close()
		if _, err := standby.ExecContext(ctx, "select pg_wal_replay_"+what+"()"); err != nil {
			t.Fatal(err)
		}
	}
	pause("pause")
	exec(t, db, ctx, "insert into notes values (1)")
	eventually(t, "reads go to the primary", func() bool { return serverOf(t, db, read) == "primary" })
	if s := c.Routes()[0]; s.Serves || s.Lag < 300*time.Millisecond {
		t.Errorf("the replica: %+v", s)
	}
	pause("resume")
	eventually(t, "the replica serves again", func() bool { return serverOf(t, db, read) == "replica" })
	if k := told.kinds(); len(k) != 2 || k[0] != lifecycle.KindRouteBehind || k[1] != lifecycle.KindRouteBack {
		t.Errorf("it was told %v, want that it is behind, and back", k)
	}
	if n := c.Stats().FallbackCount[connector.FallbackUnfit]; n == 0 {
		t.Error("no read was counted that fell back to the primary")
	}
	if s := c.Routes()[0]; s.Ejections != 0 {
		t.Errorf("ejected %d times for being behind", s.Ejections)
	}
}

func TestASickReplicaIsLeftAloneAndComesBack(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	pair, db, c, told := withReplica(t)
	ctx := t.Context()
	read := priority.WithReadOnly(ctx)
	eventually(t, "the replica serves", func() bool { return serverOf(t, db, read) == "replica" })
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				var n int
				err := db.QueryRowContext(priority.WithRetries(read, 5), "select 1").Scan(&n)
				if err != nil {
					t.Errorf("a read failed: %v", err)
					return
				}
			}
		})
	}
	if err := pair.Standby().Stop(ctx, testdb.Immediate); err != nil {
		t.Fatal(err)
	}
	eventually(t, "reads go to the primary", func() bool { return serverOf(t, db, read) == "primary" })
	eventually(t, "it is told", func() bool { k := told.kinds(); return len(k) > 0 && k[0] == lifecycle.KindRouteOut })
	if s := c.Routes()[0]; s.Serves || s.Why == "" || s.EjectedUntil.IsZero() || s.Ejections == 0 {
		t.Errorf("the replica: %+v", s)
	}
	if err := pair.Standby().Restart(ctx, testdb.Fast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the replica serves again", func() bool { return serverOf(t, db, read) == "replica" })
	eventually(t, "it is told", func() bool {
		k := told.kinds()
		return k[len(k)-1] == lifecycle.KindRouteBack
	})
	close(stop)
	readers.Wait()
}

func TestWithReplicasOnlyReadsAreRefusedThatNoneCanServe(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	pair, db, _, _ := withReplica(t, func(cfg *connector.Config) { cfg.ReplicasOnly = true })
	ctx := t.Context()
	read := priority.WithReadOnly(ctx)
	if got := serverOf(t, db, read); got != "replica" {
		t.Fatal(got)
	}
	if err := pair.Standby().Stop(ctx, testdb.Fast); err != nil {
		t.Fatal(err)
	}
	var refused *connector.NoRouteError
	eventually(t, "reads are refused", func() bool {
		_, err := db.ExecContext(read, "select 1")
		return errors.As(err, &refused)
	})
	if got := serverOf(t, db, ctx); got != "primary" {
		t.Errorf("a write is served by %q", got)
	}
}

func TestReplicasServeWhileThePrimaryIsDown(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	pair, db, _, _ := withReplica(t, func(cfg *connector.Config) { cfg.MaxReplicaLag = 200 * time.Millisecond })
	ctx := t.Context()
	read := priority.WithReadOnly(ctx)
	eventually(t, "the replica serves", func() bool { return serverOf(t, db, read) == "replica" })
	if err := pair.Primary().Stop(ctx, testdb.Immediate); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if got := serverOf(t, db, read); got != "replica" {
			t.Fatalf("served by %q", got)
		}
	}
	if err := pair.Promote(ctx); err != nil {
		t.Fatal(err)
	}
	// What was promoted has a life of its own now: nobody knows what it has in common with a primary.
	eventually(t, "it is not chosen", func() bool { return serverOf(t, db, read) != "replica" })
	if err := pair.Primary().Restart(ctx, testdb.Fast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the primary serves", func() bool { return serverOf(t, db, read) == "primary" })
}

// What no text tells, a standby does: a statement that writes by a function under a harmless name runs on the primary after
// all, once, and goes there at once from then on.
func TestWhatAStandbyRefusesRunsOnThePrimary(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	pair, db, c, told := withReplica(t, func(cfg *connector.Config) { cfg.ClassifyReads = true })
	ctx := t.Context()
	exec(t, db, ctx, `create table notes (n int);
		create function lower(int) returns int language sql as 'insert into notes values ($1) returning n'`)
	if err := pair.CaughtUp(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the replica serves", func() bool { return serverOf(t, db, priority.WithReadOnly(ctx)) == "replica" })
	for range 3 {
		if err := db.QueryRowContext(ctx, "select lower(7)").Scan(new(int)); err != nil {
			t.Fatal(err)
		}
	}
	var n int
	if err := db.QueryRowContext(priority.WithRoute(ctx, "primary"), "select count(*) from notes").Scan(&n); err != nil || n != 3 {
		t.Errorf("it wrote %d times: %v", n, err)
	}
	if s := c.Routes()[0].Pool.Stats(); s.ErrorCount != 1 || s.ClosedConns[lifecycle.EndReset]+s.ClosedConns[lifecycle.EndBroken] != 0 {
		t.Errorf("the replica saw it %d times, and lost connections by it: %v", s.ErrorCount, s.ClosedConns)
	}
	if k := told.kinds(); len(k) > 0 {
		t.Errorf("the replica was ejected for it: %v", k)
	}
	// Whoever says himself that he reads hears the truth.
	if _, err := db.ExecContext(priority.WithReadOnly(ctx), "insert into notes values (8)"); err == nil {
		t.Error("a replica wrote")
	}
}
