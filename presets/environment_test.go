package presets_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/presets"
	"github.com/poolsql/poolsql/priority"
)

func TestDatabaseVariablesLeadToTheDatabase(t *testing.T) {
	testdb.NoLeaks(t)
	database := testdb.New(t)
	vars := with(parts(t, database), "APP_NAME", "shop's \\ own & only")
	settings := read(t, presets.Development(), vars)
	db, pool := open(t, settings.Config)
	for query, want := range map[string]string{
		"select current_user":                                            vars["DATABASE_USER"],
		"select current_database()":                                      vars["DATABASE_NAME"],
		"select host(inet_server_addr())":                                vars["DATABASE_HOST"],
		"select inet_server_port()::text":                                vars["DATABASE_PORT"],
		"show application_name":                                          vars["APP_NAME"],
		"select ssl::text from pg_stat_ssl where pid = pg_backend_pid()": "false",
	} {
		if got := ask(t, db, query); got != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	if got := pool.Stats().Name; got != vars["APP_NAME"] {
		t.Errorf("the pool is called %q", got)
	}
}

func TestPasswordOfTheEnvironmentIsTheOneThatIsSent(t *testing.T) {
	testdb.NoLeaks(t)
	vars := with(parts(t, testdb.New(t)), "DATABASE_PASSWORD", "not the one")
	db, _ := open(t, read(t, presets.Development(), vars).Config)
	if err := db.PingContext(t.Context()); err == nil || !strings.Contains(err.Error(), "28P01") {
		t.Errorf("a wrong password led to %v", err)
	}
}

// Each of these says the same database in another way, and something wrong in a place that must not count.
func TestWhoIsMoreSpecificWins(t *testing.T) {
	testdb.NoLeaks(t)
	database := testdb.New(t)
	right := parts(t, database)
	asPG := map[string]string{
		"PGHOST": right["DATABASE_HOST"], "PGPORT": right["DATABASE_PORT"], "PGUSER": right["DATABASE_USER"],
		"PGPASSWORD": right["DATABASE_PASSWORD"], "PGDATABASE": right["DATABASE_NAME"],
	}
	asKeywords := "host=" + right["DATABASE_HOST"] + " port=" + right["DATABASE_PORT"] + " user=" + right["DATABASE_USER"] +
		" password=" + right["DATABASE_PASSWORD"] + " dbname=" + right["DATABASE_NAME"]
	const wrong = "postgres://nobody:wr?ong@127.0.0.1:1/nothing?application_name=old&connect_timeout=5"
	wrongPG := map[string]string{"PGHOST": "127.0.0.1", "PGPORT": "1", "PGUSER": "nobody", "PGPASSWORD": "wrong", "PGDATABASE": "nothing"}
	all := func(vars map[string]string, more map[string]string) map[string]string {
		for name, value := range more {
			vars = with(vars, name, value)
		}
		return vars
	}
	for _, c := range []struct {
		name     string
		base     string // its DSN
		vars     map[string]string
		override func(*presets.Settings)
	}{
		{name: "DATABASE_URL", vars: map[string]string{"DATABASE_URL": database.TCPDSN}},
		{name: "DATABASE_URL of keywords", vars: map[string]string{"DATABASE_URL": asKeywords}},
		{name: "PG*", vars: asPG},
		{name: "PG* and an empty DATABASE_URL", vars: with(asPG, "DATABASE_URL", "", "POOL_MAX_CONNECTIONS", "")},
		{name: "URL over PG*", vars: with(wrongPG, "DATABASE_URL", database.TCPDSN)},
		{name: "parts over URL", vars: with(right, "DATABASE_URL", wrong)},
		{name: "parts over keywords", vars: with(right, "DATABASE_URL", `user=nobody password='it\'s' host=127.0.0.1 port=1 dbname=x\`)},
		{name: "parts over PG*", vars: all(right, wrongPG)},
		{name: "parts over the base", base: wrong, vars: right},
		{name: "URL over the base", base: wrong, vars: map[string]string{"DATABASE_URL": database.TCPDSN}},
		{name: "the base, with PG*", base: database.TCPDSN, vars: wrongPG},
		{name: "PgBouncer's host and port", vars: with(right, "DATABASE_HOST", "192.0.2.1", "DATABASE_PORT", "1",
			"PGBOUNCER_HOST", right["DATABASE_HOST"], "PGBOUNCER_PORT", right["DATABASE_PORT"])},
		{name: "override of the DSN", vars: map[string]string{"DATABASE_URL": wrong},
			override: func(s *presets.Settings) { s.Config.DSN = database.TCPDSN }},
		{name: "override with a Connector", vars: map[string]string{"DATABASE_URL": wrong},
			override: func(s *presets.Settings) {
				s.Config.Connector = stdlib.GetConnector(*mustParse(t, database.TCPDSN))
				s.Config.StatementTimeout = 0
			}},
		{name: "override with a ConnConfig", vars: map[string]string{"DATABASE_URL": wrong},
			override: func(s *presets.Settings) { s.Config.ConnConfig = mustParse(t, database.TCPDSN) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.override == nil {
				c.override = func(*presets.Settings) {}
			}
			base := presets.Serverless()
			base.DSN = c.base
			db, _ := open(t, read(t, base, c.vars, c.override).Config)
			if got := ask(t, db, "select current_user || ' ' || current_database()"); got != right["DATABASE_USER"]+" "+right["DATABASE_NAME"] {
				t.Errorf("connected as %s", got)
			}
		})
	}
}

func TestEachVariableOfThePoolIsInForce(t *testing.T) {
	testdb.NoLeaks(t)
	right := parts(t, testdb.New(t))

	t.Run("POOL_MIN_CONNECTIONS, POOL_MAX_CONNECTIONS", func(t *testing.T) {
		db, pool := open(t, read(t, presets.Serverless(), with(right, "POOL_MIN_CONNECTIONS", "3", "POOL_MAX_CONNECTIONS", "4")).Config)
		ask(t, db, "select ''")
		eventually(t, "3 connections are not kept open", func() bool { return pool.Stats().IdleConns == 3 })
		if err := pool.Warmup(t.Context(), 4); err != nil {
			t.Fatal(err)
		}
		if stats := pool.Stats(); stats.MinConns != 3 || stats.MaxConns != 4 {
			t.Errorf("the pool has %d to %d connections", stats.MinConns, stats.MaxConns)
		}
	})
	t.Run("POOL_IDLE_TIMEOUT_MS", func(t *testing.T) {
		db, pool := open(t, read(t, presets.Serverless(), with(right, "POOL_IDLE_TIMEOUT_MS", "30")).Config)
		ask(t, db, "select ''")
		eventually(t, "an idle connection is not closed", func() bool { return pool.Stats().ClosedConns[lifecycle.EndIdleTimeout] == 1 })
	})
	t.Run("POOL_CONNECTION_TIMEOUT_MS", func(t *testing.T) {
		silent := silentServer(t)
		db, _ := open(t, read(t, presets.Serverless(), map[string]string{
			"DATABASE_HOST": "127.0.0.1", "DATABASE_PORT": silent, "DATABASE_SSL": "false", "POOL_CONNECTION_TIMEOUT_MS": "60",
		}).Config)
		if err := db.PingContext(t.Context()); err == nil || !strings.Contains(err.Error(), "60ms") {
			t.Errorf("a server that is silent led to %v, want an error that tells of 60ms", err)
		}
	})
	t.Run("POOL_ACQUIRE_TIMEOUT_MS", func(t *testing.T) {
		db, pool := open(t, read(t, presets.Serverless(), with(right, "POOL_ACQUIRE_TIMEOUT_MS", "40", "POOL_MAX_CONNECTIONS", "1")).Config)
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		err = db.PingContext(t.Context())
		var refused *lifecycle.AcquireError
		if !errors.Is(err, priority.ErrTimeout) || !errors.As(err, &refused) {
			t.Fatalf("got %v, want an acquire timeout", err)
		}
		if refused.Refused.Waited < 40*time.Millisecond || refused.Refused.Waited > 10*time.Second {
			t.Errorf("waited %s, want 40ms", refused.Refused.Waited)
		}
		if got := pool.Config().AcquireTimeout; got != 40*time.Millisecond {
			t.Errorf("the pool has an AcquireTimeout of %s", got)
		}
	})
	t.Run("POOL_STATEMENT_TIMEOUT_MS", func(t *testing.T) {
		db, _ := open(t, read(t, presets.Serverless(), with(right, "POOL_STATEMENT_TIMEOUT_MS", "4321")).Config)
		if got := ask(t, db, "show statement_timeout"); got != "4321ms" {
			t.Errorf("the server has a statement_timeout of %s", got)
		}
	})
	t.Run("zeros", func(t *testing.T) {
		db, pool := open(t, read(t, presets.Production(), with(right, "POOL_STATEMENT_TIMEOUT_MS", "0", "POOL_IDLE_TIMEOUT_MS", "0",
			"POOL_ACQUIRE_TIMEOUT_MS", "0", "POOL_MIN_CONNECTIONS", "0")).Config)
		if got := ask(t, db, "show statement_timeout"); got != "0" {
			t.Errorf("the server has a statement_timeout of %s", got)
		}
		inForce := pool.Config()
		if inForce.MaxConnIdleTime != connector.None || inForce.AcquireTimeout != connector.None || pool.Stats().MinConns != 0 {
			t.Errorf("the pool has idle %s, acquire %s, minimum %d", inForce.MaxConnIdleTime, inForce.AcquireTimeout, pool.Stats().MinConns)
		}
	})
	t.Run("POOL_PRESET", func(t *testing.T) {
		base := presets.Production()
		base.LeakThreshold = time.Hour
		_, pool := open(t, read(t, base, with(right, "POOL_PRESET", "Low_Latency", "POOL_MAX_CONNECTIONS", "30")).Config)
		inForce := pool.Config()
		if inForce.MaxConns != 30 || inForce.MinConns != 20 || inForce.StatementTimeout != 10*time.Second || inForce.LeakThreshold != time.Hour {
			t.Errorf("the pool has %d to %d connections, statement %s, leak %s", inForce.MinConns, inForce.MaxConns,
				inForce.StatementTimeout, inForce.LeakThreshold)
		}
	})
}

func TestOverrideWinsOverEnvironmentOverPreset(t *testing.T) {
	testdb.NoLeaks(t)
	vars := with(parts(t, testdb.New(t)), "POOL_MAX_CONNECTIONS", "30", "POOL_MIN_CONNECTIONS", "6",
		"POOL_ENABLE_METRICS", "true", "POOL_STATEMENT_TIMEOUT_MS", "2000")
	s := read(t, presets.Production(), vars, func(s *presets.Settings) {
		s.Config.MaxConns = 7
		s.Metrics = false
	}, func(s *presets.Settings) { s.Config.Name = "second of " + strconv.Itoa(s.Config.MaxConns) })
	_, pool := open(t, s.Config)
	stats := pool.Stats()
	if stats.MaxConns != 7 || stats.MinConns != 6 || stats.Name != "second of 7" || s.Metrics {
		t.Errorf("%d to %d connections, name %q, metrics %t", stats.MinConns, stats.MaxConns, stats.Name, s.Metrics)
	}
	if inForce := pool.Config(); inForce.ConnectTimeout != presets.Production().ConnectTimeout || inForce.StatementTimeout != 2*time.Second {
		t.Errorf("connect %s, statement %s", inForce.ConnectTimeout, inForce.StatementTimeout)
	}
}

func TestLowMaximumLowersThePresetsMinimum(t *testing.T) {
	s := read(t, presets.LowLatency(), map[string]string{"POOL_MAX_CONNECTIONS": "5"})
	c := connector.NewConnector(s.Config)
	defer c.Close()
	if stats := c.Stats(); stats.MaxConns != 5 || stats.MinConns != 5 {
		t.Errorf("the pool has %d to %d connections, want 5 to 5", stats.MinConns, stats.MaxConns)
	}
}

func TestWhatBelongsToOtherPartsIsReadOnly(t *testing.T) {
	s := read(t, connector.Config{}, map[string]string{})
	if s.HealthCheckInterval != presets.DefaultHealthCheckInterval || s.Metrics || s.PgBouncer != (presets.PgBouncer{}) {
		t.Errorf("an empty environment says %+v", s)
	}
	for _, c := range []struct {
		vars map[string]string
		want presets.Settings
	}{
		{map[string]string{"POOL_HEALTH_CHECK_INTERVAL_MS": "1500", "POOL_ENABLE_METRICS": "True"},
			presets.Settings{HealthCheckInterval: 1500 * time.Millisecond, Metrics: true}},
		{map[string]string{"POOL_HEALTH_CHECK_INTERVAL_MS": "0", "POOL_ENABLE_METRICS": "false"}, presets.Settings{}},
		{map[string]string{"POOL_HEALTH_CHECK_INTERVAL_MS": "0", "PGBOUNCER_HOST": "bouncer"},
			presets.Settings{PgBouncer: presets.PgBouncer{Enabled: true, Host: "bouncer", Port: 6432}}},
		{map[string]string{"POOL_HEALTH_CHECK_INTERVAL_MS": "0", "PGBOUNCER_HOST": "bouncer", "PGBOUNCER_PORT": "7", "PGBOUNCER_POOL_MODE": "Transaction"},
			presets.Settings{PgBouncer: presets.PgBouncer{Enabled: true, Host: "bouncer", Port: 7, PoolMode: "transaction"}}},
		{map[string]string{"POOL_HEALTH_CHECK_INTERVAL_MS": "0", "PGBOUNCER_POOL_MODE": "statement"},
			presets.Settings{PgBouncer: presets.PgBouncer{Enabled: true, PoolMode: "statement"}}},
	} {
		s := read(t, connector.Config{}, c.vars)
		if s.HealthCheckInterval != c.want.HealthCheckInterval || s.Metrics != c.want.Metrics || s.PgBouncer != c.want.PgBouncer {
			t.Errorf("%v: got %s, %t, %+v", c.vars, s.HealthCheckInterval, s.Metrics, s.PgBouncer)
		}
	}
}

func TestPgBouncerTakesThePlaceOfSeveralHosts(t *testing.T) {
	s := read(t, connector.Config{}, map[string]string{"DATABASE_URL": "postgres://a:1,b:2/shop", "PGBOUNCER_HOST": "bouncer"})
	if cc := mustParse(t, s.Config.DSN); cc.Host != "bouncer" || cc.Port != 6432 || cc.Database != "shop" {
		t.Errorf("connections go to %s:%d/%s", cc.Host, cc.Port, cc.Database)
	}
}

// silentServer accepts connections, never answers, and returns its port.
func silentServer(t *testing.T) string {
	var lc net.ListenConfig
	listener, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-ended
	})
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}
