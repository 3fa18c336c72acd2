package presets_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/presets"
)

func TestSizeAndTheReasonForIt(t *testing.T) {
	for _, c := range []struct {
		name               string
		w                  presets.Workload
		minConns, maxConns int
		because            string // the last reason but one, in part
	}{
		{"the wiki's example", presets.Workload{ServerCores: 4, Spindles: 1}, 1, 9, "4 cores x 2 + 1 spindles"},
		{"one core", presets.Workload{ServerCores: 1}, 1, 2, "1 cores x 2 + 0 spindles"},
		{"the server's default lets 92 in", presets.Workload{ServerCores: 64}, 18, 92, "lowered from 128 to 92: max_connections 100, less 3 reserved and 5 for others"},
		{"a server that lets more in", presets.Workload{ServerCores: 64, MaxConnections: 500}, 25, 128, "64 cores x 2"},
		{"everything that it lets in", presets.Workload{ServerCores: 64, Reserved: -1, Others: -1}, 20, 100, "less 0 reserved and 0 for others"},
		{"three instances", presets.Workload{ServerCores: 16, Instances: 3}, 2, 10, "divided among 3 instances: 10 each"},
		{"more instances than it can use", presets.Workload{ServerCores: 2, Instances: 40}, 1, 1, "more than that"},
		{"instances and max_connections", presets.Workload{ServerCores: 64, Instances: 20, MaxConnections: 108}, 1, 5, "lowered from 6 to 5"},
		{"a light load", presets.Workload{ServerCores: 32, Rate: 500, HoldTime: 8 * time.Millisecond}, 1, 8, "lowered from 64 to 8: the load needs no more"},
		{"hardly any load", presets.Workload{ServerCores: 32, Rate: 0.1, HoldTime: time.Millisecond}, 1, 1, "the load needs no more"},
		{"too much load", presets.Workload{ServerCores: 4, Rate: 5000, HoldTime: 10 * time.Millisecond}, 1, 8, "more than the 8 that the server can use"},
		{"load on instances", presets.Workload{ServerCores: 32, Instances: 4, Rate: 2000, HoldTime: 8 * time.Millisecond}, 1, 8, "the load needs no more"},
		{"little memory", presets.Workload{ServerCores: 16, ServerMemory: 256 << 20, Instances: 2}, 2, 12, "lowered from 16 to 12: the server's memory, 256 MB at 10 MB"},
		{"large connections", presets.Workload{ServerCores: 16, ServerMemory: 1 << 30, MemoryPerConn: 64 << 20}, 3, 16, "at 64 MB a connection"},
	} {
		t.Run(c.name, func(t *testing.T) {
			size, err := presets.OptimalSize(c.w)
			if err != nil {
				t.Fatal(err)
			}
			if size.MinConns != c.minConns || size.MaxConns != c.maxConns {
				t.Errorf("got %d to %d, want %d to %d:\n%s", size.MinConns, size.MaxConns, c.minConns, c.maxConns, size)
			}
			if n := len(size.Reasons); n < 2 || !strings.Contains(size.Reasons[n-2], c.because) {
				t.Errorf("%q is not the last reason before the sum:\n%s", c.because, size)
			}
			if want := size.MaxConns * max(1, c.w.Instances); size.Total != want {
				t.Errorf("the total is %d, want %d", size.Total, want)
			}
		})
	}
}

func TestNonsenseHasNoSize(t *testing.T) {
	for _, c := range []struct {
		w    presets.Workload
		want string
	}{
		{presets.Workload{}, "ServerCores is 0: want 1 to 65536"},
		{presets.Workload{ServerCores: -4}, "ServerCores is -4"},
		{presets.Workload{ServerCores: math.MaxInt}, "ServerCores is"},
		{presets.Workload{ServerCores: 1, Spindles: -1}, "Spindles is -1"},
		{presets.Workload{ServerCores: 1, MaxConnections: -1}, "MaxConnections is -1"},
		{presets.Workload{ServerCores: 1, Reserved: -2}, "Reserved is -2"},
		{presets.Workload{ServerCores: 1, Others: -2}, "Others is -2"},
		{presets.Workload{ServerCores: 1, Instances: -1}, "Instances is -1"},
		{presets.Workload{ServerCores: 1, Rate: math.NaN(), HoldTime: 1}, "Rate is NaN"},
		{presets.Workload{ServerCores: 1, Rate: math.Inf(1), HoldTime: 1}, "Rate is +Inf"},
		{presets.Workload{ServerCores: 1, Rate: -1}, "Rate is -1"},
		{presets.Workload{ServerCores: 1, Rate: 1}, "one of Rate and HoldTime"},
		{presets.Workload{ServerCores: 1, HoldTime: 1}, "one of Rate and HoldTime"},
		{presets.Workload{ServerCores: 1, HoldTime: -1}, "HoldTime is -1ns"},
		{presets.Workload{ServerCores: 1, ServerMemory: -1}, "ServerMemory is -1"},
		{presets.Workload{ServerCores: 1, MemoryPerConn: -1}, "MemoryPerConn is -1"},
		{presets.Workload{ServerCores: 8, Instances: 93}, "less 3 reserved and 5 for others, which is not one for each of 93 instances"},
		{presets.Workload{ServerCores: 8, MaxConnections: 8}, "not one for each"},
		{presets.Workload{ServerCores: 8, ServerMemory: 1 << 20}, "ServerMemory is not enough"},
	} {
		size, err := presets.OptimalSize(c.w)
		if err == nil || !strings.Contains(err.Error(), c.want) || size.MaxConns != 0 {
			t.Errorf("%+v: got %d and %v, want an error that says %q", c.w, size.MaxConns, err, c.want)
		}
	}
	_, err := presets.OptimalSize(presets.Workload{Spindles: -1, Instances: -1, Rate: 1})
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("got %v, want four errors at once", err)
	}
}

func TestSizeForALoadLetsFewWait(t *testing.T) {
	for _, inUse := range []float64{0.05, 0.5, 1, 2, 5, 10, 40, 100, 400} {
		w := presets.Workload{ServerCores: 1000, MaxConnections: 5000, Rate: inUse * 100, HoldTime: 10 * time.Millisecond}
		size, err := presets.OptimalSize(w)
		if err != nil {
			t.Fatal(err)
		}
		if waits := erlangC(size.MaxConns, inUse); waits > 0.101 {
			t.Errorf("with %v in use on average, %d connections let %.3f of the callers wait", inUse, size.MaxConns, waits)
		}
	}
}

// erlangC returns which part of the callers has to wait, where they come at random and hold one of n connections for a
// random time, with inUse held on average.
func erlangC(n int, inUse float64) float64 {
	blocked := 1.0 // Erlang's B formula, by its recursion
	for k := 1; k <= n; k++ {
		blocked = inUse * blocked / (float64(k) + inUse*blocked)
	}
	return blocked / (1 - inUse/float64(n)*(1-blocked))
}

// What the server lets in is what the arithmetic says: a pool of the size that is found opens all its connections, and
// what is left is left.
func TestServerLetsInWhatTheSizeSays(t *testing.T) {
	testdb.NoLeaks(t)
	database := testdb.Private(t, "max_connections = 12", "superuser_reserved_connections = 2", "max_wal_senders = 0")
	dsn, err := database.OrdinaryDSN(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	size, err := presets.OptimalSize(presets.Workload{ServerCores: 64, MaxConnections: 12, Reserved: 2, Others: -1})
	if err != nil {
		t.Fatal(err)
	}
	cfg := presets.Serverless()
	cfg.DSN, cfg.MinConns, cfg.MaxConns = dsn, size.MinConns, size.MaxConns
	_, pool := open(t, cfg)
	// A session that has just ended, as that which made the role, may take its place for a moment longer.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		err := pool.Warmup(t.Context(), size.MaxConns)
		if err == nil {
			break
		}
		if !strings.Contains(err.Error(), "53300") || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	cfg.MinConns, cfg.MaxConns = 0, 1
	more, _ := open(t, cfg)
	if err := more.PingContext(t.Context()); err == nil {
		t.Errorf("the server lets in more than the %d that the arithmetic says", size.MaxConns)
	}
}
