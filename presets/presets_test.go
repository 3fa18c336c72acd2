package presets_test

import (
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/presets"
)

func TestEachPresetIsInForceInThePoolAndOnTheServer(t *testing.T) {
	testdb.NoLeaks(t)
	dsn := testdb.New(t).DSN
	for _, c := range []struct {
		name                               string
		cfg                                connector.Config
		minConns, maxConns                 int
		idleTime, connect, acquire         time.Duration
		statementTimeout, byAnotherWriting string
	}{
		{"development", presets.Development(), 2, 10, time.Minute, 5 * time.Second, 10 * time.Second, "30s", "Development"},
		{"production", presets.Production(), 10, 50, 30 * time.Second, 10 * time.Second, 30 * time.Second, "1min", "PRODUCTION"},
		{"high-throughput", presets.HighThroughput(), 20, 100, 10 * time.Second, 5 * time.Second, 15 * time.Second, "30s", "highThroughput"},
		{"low-latency", presets.LowLatency(), 20, 50, time.Minute, 3 * time.Second, 5 * time.Second, "10s", "low_latency"},
		{"serverless", presets.Serverless(), 0, 10, 5 * time.Second, 10 * time.Second, 20 * time.Second, "30s", "serverLess"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, name := range []string{c.name, c.byAnotherWriting} {
				cfg, err := presets.ByName(name)
				if err != nil {
					t.Fatal(err)
				}
				cfg.DSN = dsn
				db, pool := open(t, cfg)
				if got := ask(t, db, "show statement_timeout"); got != c.statementTimeout {
					t.Errorf("the server has a statement_timeout of %s, want %s", got, c.statementTimeout)
				}
				stats := pool.Stats()
				if stats.MinConns != c.minConns || stats.MaxConns != c.maxConns {
					t.Errorf("the pool has %d to %d connections, want %d to %d", stats.MinConns, stats.MaxConns, c.minConns, c.maxConns)
				}
				inForce := pool.Config()
				if inForce.MaxConnIdleTime != c.idleTime || inForce.ConnectTimeout != c.connect || inForce.AcquireTimeout != c.acquire {
					t.Errorf("the pool has idle %s, connect %s, acquire %s, want %s, %s, %s", inForce.MaxConnIdleTime,
						inForce.ConnectTimeout, inForce.AcquireTimeout, c.idleTime, c.connect, c.acquire)
				}
				eventually(t, "the minimum is not kept open", func() bool { return pool.Stats().IdleConns >= max(1, c.minConns) })
				db.Close() // HighThroughput and the rest together would be more than the server lets in
				<-pool.Done()
			}
			c.cfg.DSN = dsn
			if err := c.cfg.Validate(); err != nil {
				t.Error(err)
			}
			named, err := presets.ByName(c.name)
			if err != nil || named.MaxConns != c.cfg.MaxConns || named.StatementTimeout != c.cfg.StatementTimeout {
				t.Errorf("ByName returned another preset, or %v", err)
			}
		})
	}
}

func TestNamesAreThoseThatByNameTakes(t *testing.T) {
	names := presets.Names()
	if len(names) != 5 {
		t.Errorf("there are %d names, want 5", len(names))
	}
	for _, name := range names {
		if _, err := presets.ByName(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	names[0] = "changed"
	if presets.Names()[0] != "development" {
		t.Error("a caller changed what Names returns to others")
	}
}

func TestUnknownPresetIsToldWhichThereAre(t *testing.T) {
	for _, name := range []string{"", "prod", "hunter2"} {
		cfg, err := presets.ByName(name)
		if err == nil {
			t.Fatalf("%q is a preset: %d connections", name, cfg.MaxConns)
		}
		const want = "poolsql: no such preset: want one of development, production, high-throughput, low-latency, serverless"
		if err.Error() != want {
			t.Errorf("got %q, want %q", err, want)
		}
	}
}

func TestPresetsAreNotShared(t *testing.T) {
	cfg := presets.Production()
	cfg.MaxConns = 1
	if presets.Production().MaxConns != 50 {
		t.Error("a change of one caller's Config reached another's")
	}
}
