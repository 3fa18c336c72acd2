package connector_test

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"net/url"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/priority"
)

// query returns what one row with one text says.
func query(t *testing.T, on interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}, text string) (answer string) {
	t.Helper()
	if err := on.QueryRowContext(t.Context(), text).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return answer
}

// reconfigure changes some of what is in force.
func reconfigure(t *testing.T, c *connector.Connector, change func(*connector.Config)) {
	t.Helper()
	cfg := c.Config()
	change(&cfg)
	if err := c.Reconfigure(cfg); err != nil {
		t.Fatal(err)
	}
	if got := c.Config(); !reflect.DeepEqual(withoutSource(got), withoutSource(cfg)) {
		t.Errorf("in force is %v\nwant %v", got, cfg)
	}
}

func withoutSource(cfg connector.Config) connector.Config {
	cfg.ConnConfig = nil
	return cfg
}

func TestAStatementTimeoutThatChangesIsTheServersOnNewConnections(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{MaxConns: 2, StatementTimeout: time.Minute})
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	held, idle := query(t, tx, "select pg_backend_pid()::text"), query(t, db, "select pg_backend_pid()::text")

	reconfigure(t, c, func(cfg *connector.Config) {
		cfg.StatementTimeout, cfg.IdleInTransactionTimeout = 900*time.Millisecond, time.Hour
	})
	if got := query(t, db, "show statement_timeout") + ", " + query(t, db, "show idle_in_transaction_session_timeout"); got != "900ms, 1h" {
		t.Errorf("the server says %s", got)
	}
	if pid := query(t, db, "select pg_backend_pid()::text"); pid == idle {
		t.Error("an idle connection that was started otherwise is still used")
	}
	if got := query(t, tx, "show statement_timeout"); got != "1min" {
		t.Errorf("whoever held a connection goes on with %s, want what it began with", got)
	}
	if pid := query(t, tx, "select pg_backend_pid()::text"); pid != held {
		t.Error("the transaction lost its connection")
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), "select pg_sleep(10)")
	if late := (*pooldriver.TimeoutError)(nil); !errors.As(err, &late) || late.After != 900*time.Millisecond {
		t.Errorf("the new limit is told as %v", err)
	}

	reconfigure(t, c, func(cfg *connector.Config) { cfg.StatementTimeout, cfg.IdleInTransactionTimeout = 0, 0 })
	if got := query(t, db, "show statement_timeout"); got != "0" {
		t.Errorf("without a limit of the pool the server says %s", got)
	}
}

func TestWithoutATimeoutOfThePoolTheOneOfTheDSNHoldsAgain(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	dsn, err := url.Parse(testdb.New(t).DSN)
	if err != nil {
		t.Fatal(err)
	}
	params := dsn.Query()
	params.Set("statement_timeout", "7s")
	dsn.RawQuery = params.Encode()
	db, err := connector.Open(connector.Config{DSN: dsn.String(), StatementTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := connector.FromDB(db)
	t.Cleanup(func() { db.Close(); <-c.Done() })
	if got := query(t, db, "show statement_timeout"); got != "1s" {
		t.Errorf("the server says %s", got)
	}
	reconfigure(t, c, func(cfg *connector.Config) { cfg.StatementTimeout = 0 })
	if got := query(t, db, "show statement_timeout"); got != "7s" {
		t.Errorf("the server says %s, want what the DSN says", got)
	}
}

func TestWhatThePoolGoesByHoldsAtOnceAndCostsNoConnection(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{MaxConns: 1, AcquireTimeout: connector.None})
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pid := query(t, conn, "select pg_backend_pid()::text")
	waits := make(chan error, 2)
	for range 2 {
		go func() { waits <- db.PingContext(context.WithoutCancel(t.Context())) }()
	}
	await(t, func() bool { return c.Stats().Waiting == 2 })

	reconfigure(t, c, func(cfg *connector.Config) { cfg.MaxConns, cfg.HighReserve = 2, 1 })
	if s := c.Stats(); s.MaxConns != 2 || s.Waiting != 2 {
		t.Errorf("the second connection is reserved: %d wait for %d", s.Waiting, s.MaxConns)
	}
	reconfigure(t, c, func(cfg *connector.Config) { cfg.HighReserve = 0 })
	for range 2 {
		if err := <-waits; err != nil {
			t.Error(err)
		}
	}
	reconfigure(t, c, func(cfg *connector.Config) {
		cfg.MaxConns, cfg.AcquireTimeout, cfg.LeakThreshold = 1, 50*time.Millisecond, time.Hour
	})
	if err := db.PingContext(t.Context()); !errors.Is(err, priority.ErrTimeout) {
		t.Errorf("with one connection, which is held: %v", err)
	}
	if got := query(t, conn, "select pg_backend_pid()::text"); got != pid {
		t.Error("the connection was lost that was held")
	}
	conn.Close()
	if got := query(t, db, "select pg_backend_pid()::text"); got != pid {
		t.Error("the connection was replaced, and nothing changed that it goes by")
	}
	if err := c.Reconfigure(c.Config()); err != nil {
		t.Error(err)
	}
	if got := query(t, db, "select pg_backend_pid()::text"); got != pid {
		t.Error("the connection was replaced, and nothing changed at all")
	}
}

func TestATransactionTimeoutCanBeSwitchedOn(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{MaxConns: 1})
	if err := db.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	reconfigure(t, c, func(cfg *connector.Config) { cfg.TransactionTimeout = 100 * time.Millisecond })
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { // the watchdog closes it while it idles
		_, err = tx.ExecContext(t.Context(), "select 1")
		return err != nil
	})
	if !errors.Is(err, pooldriver.ErrTransactionTimeout) {
		t.Errorf("got %v", err)
	}
	tx.Rollback()
}

func TestWhatCannotChangeOrIsWrongChangesNothing(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{MaxConns: 3, MinConns: 1, Prewarm: []string{"select 1"}})
	before := c.Config()
	if err := db.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*connector.Config){
		"Name cannot change":                    func(cfg *connector.Config) { cfg.Name = "another" },
		"DSN cannot change":                     func(cfg *connector.Config) { cfg.DSN += "&password=hunter2" },
		"ConnConfig cannot change":              func(cfg *connector.Config) { cfg.ConnConfig.Host = "elsewhere" },
		"AfterConnect cannot change":            func(cfg *connector.Config) { cfg.AfterConnect = func(context.Context, *pgx.Conn) error { return nil } },
		"PgBouncer cannot change":               func(cfg *connector.Config) { cfg.PgBouncer = connector.PoolTransaction },
		"MinConns is 4: must not be above":      func(cfg *connector.Config) { cfg.MinConns, cfg.AcquireTimeout = 4, time.Hour },
		"ResetQuery is blank":                   func(cfg *connector.Config) { cfg.ResetQuery, cfg.MaxConns = " ", 9 },
		"StatementTimeout is -1s: must not be ": func(cfg *connector.Config) { cfg.StatementTimeout = -time.Second },
	} {
		cfg := c.Config()
		change(&cfg)
		err := c.Reconfigure(cfg)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want one that says %q", err, want)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the password is shown: %v", err)
		}
		if got := c.Config(); !reflect.DeepEqual(withoutSource(got), withoutSource(before)) {
			t.Errorf("%s: in force is %v\nwant %v", want, got, before)
		}
	}
	if err := c.Resize(0, 0); err == nil {
		t.Error("a pool of none was accepted")
	}
	if err := c.Resize(2, 5); err != nil {
		t.Error(err)
	}
	if got := c.Config(); got.MinConns != 2 || got.MaxConns != 5 {
		t.Errorf("Resize is not in %v", got)
	}
}

func TestTheDefaultJitterFollowsTheLifetime(t *testing.T) {
	t.Parallel()
	_, c := open(t, connector.Config{})
	cfg := c.Config()
	cfg.MaxConnLifetime = time.Minute
	if err := c.Reconfigure(cfg); err != nil {
		t.Fatal(err)
	}
	if got := c.Config().MaxConnLifetimeJitter; got != 6*time.Second {
		t.Errorf("of a lifetime of a minute the jitter is %s, want a tenth", got)
	}
	cfg = c.Config()
	cfg.MaxConnLifetimeJitter = time.Second
	if err := c.Reconfigure(cfg); err != nil {
		t.Fatal(err)
	}
	if got := c.Config().MaxConnLifetimeJitter; got != time.Second {
		t.Errorf("the jitter is %s, want what was said", got)
	}
}

// The defaults of what only pgx's connections have are in its Config too, and are no fault of anybody's.
func TestAPoolOfAnotherDriversConnectionsCanChangeAsWell(t *testing.T) {
	c := connector.NewConnector(connector.Config{Connector: &nilConnector{}, MaxConns: 1})
	if err := c.Resize(0, 3); err != nil {
		t.Fatal(err)
	}
	reconfigure(t, c, func(cfg *connector.Config) { cfg.AcquireTimeout = time.Hour })
	cfg := c.Config()
	cfg.CancelTimeout = time.Second
	if err := c.Reconfigure(cfg); err == nil || !strings.Contains(err.Error(), "CancelTimeout is set beside Connector") {
		t.Errorf("%v", err)
	}
	if s := c.Stats(); s.MaxConns != 3 {
		t.Errorf("MaxConns is %d", s.MaxConns)
	}
}

func TestStressReconfiguringLosesNoCallerAndKeepsTheMaximum(t *testing.T) {
	testdb.NoLeaksInParallel(t)
	db, err := connector.Open(connector.Config{DSN: testdb.New(t).DSN, MaxConns: 4, AcquireTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := connector.FromDB(db)
	ctx, stop := context.WithTimeout(t.Context(), stressTime(t))
	defer stop()
	var calls atomic.Int64
	var all sync.WaitGroup
	for range 24 {
		all.Go(func() {
			for ctx.Err() == nil {
				if _, err := db.ExecContext(context.WithoutCancel(ctx), "select pg_sleep(0.001)"); err != nil {
					t.Error(err)
					return
				}
				calls.Add(1)
			}
		})
	}
	const most = 8
	for range 3 {
		all.Go(func() {
			for ctx.Err() == nil {
				cfg := c.Config()
				cfg.MaxConns = 1 + rand.N(most)
				cfg.MinConns, cfg.HighReserve = rand.N(cfg.MaxConns+1), rand.N(cfg.MaxConns)
				cfg.MaxConnIdleTime = time.Millisecond + rand.N(time.Second)
				if rand.N(20) == 0 {
					cfg.StatementTimeout = time.Minute + rand.N(time.Minute)
				}
				if err := c.Reconfigure(cfg); err != nil {
					t.Error(err)
				}
				if s := c.Stats(); s.TotalConns > most {
					t.Errorf("%d are open of at most %d", s.TotalConns, most)
				}
				time.Sleep(rand.N(5 * time.Millisecond))
			}
		})
	}
	all.Wait()
	if cfg, s := c.Config(), c.Stats(); s.MaxConns != cfg.MaxConns || s.MinConns != cfg.MinConns {
		t.Errorf("the pool goes by %d to %d, and in force are %d to %d", s.MinConns, s.MaxConns, cfg.MinConns, cfg.MaxConns)
	}
	t.Logf("%d calls", calls.Load())
	db.Close()
	<-c.Done()
}

func TestAPoolThatIsShutCannotChange(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{MaxConns: 3})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	cfg := c.Config()
	cfg.MaxConns = 5
	for what, err := range map[string]error{"Reconfigure": c.Reconfigure(cfg), "Resize": c.Resize(0, 5)} {
		if !errors.Is(err, priority.ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// What Config returns makes another pool of the same kind.
func TestAConfigurationInForceCanBeUsedAgain(t *testing.T) {
	t.Parallel()
	_, c := open(t, connector.Config{MaxConns: 3})
	cfg := c.Config()
	cfg.Name, cfg.ConnConfig.RuntimeParams["application_name"] = "twin", "twin"
	db, err := connector.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var name string
	if err := db.QueryRowContext(t.Context(), "show application_name").Scan(&name); err != nil || name != "twin" {
		t.Errorf("application_name is %q, %v: what was changed in ConnConfig counts", name, err)
	}
	cfg.DSN += "&connect_timeout=3"
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "exactly one") {
		t.Errorf("a DSN that says something else than ConnConfig: %v", err)
	}
}
