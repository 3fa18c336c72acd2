package presets_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/presets"
)

func ExampleProduction() {
	cfg := presets.Production()
	cfg.DSN = "postgres://app@localhost/shop"
	cfg.MaxConns = 24 // half of what the server lets in, for two instances
	cfg.HighReserve = 2
	db, err := connector.Open(cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	fmt.Println(cfg.MinConns, cfg.MaxConns, cfg.AcquireTimeout)
	// Output: 10 24 30s
}

func ExampleByName() {
	cfg, err := presets.ByName("lowLatency")
	fmt.Println(cfg.AcquireTimeout, err)
	_, err = presets.ByName("fast")
	fmt.Println(err)
	// Output:
	// 5s <nil>
	// poolsql: no such preset: want one of development, production, high-throughput, low-latency, serverless
}

// The main function is the one place that gives each part what it needs.
func ExampleFromEnvironment() {
	os.Setenv("DATABASE_URL", "postgres://app@localhost/shop")
	os.Setenv("POOL_MAX_CONNECTIONS", "30")
	os.Setenv("POOL_HEALTH_CHECK_INTERVAL_MS", "10000")
	defer os.Unsetenv("DATABASE_URL")
	defer os.Unsetenv("POOL_MAX_CONNECTIONS")
	defer os.Unsetenv("POOL_HEALTH_CHECK_INTERVAL_MS")

	settings, err := presets.FromEnvironment(presets.Production(), func(s *presets.Settings) {
		s.Config.MinConns = 15 // whatever the environment says
	})
	if err != nil {
		log.Fatal(err) // everything that is wrong, at once
	}
	db, err := connector.Open(settings.Config)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if settings.HealthCheckInterval > 0 {
		health := time.NewTicker(settings.HealthCheckInterval)
		defer health.Stop()
	}
	fmt.Println(settings.Config.MinConns, settings.Config.MaxConns, settings.HealthCheckInterval, settings.Metrics)
	// Output: 15 30 10s false
}

func ExampleVariableError() {
	os.Setenv("DATABASE_PORT", "hunter2")
	defer os.Unsetenv("DATABASE_PORT")

	_, err := presets.FromEnvironment(presets.Production())
	var wrong *presets.VariableError
	if errors.As(err, &wrong) {
		fmt.Println(wrong.Variable)
	}
	fmt.Println(err)
	// Output:
	// DATABASE_PORT
	// poolsql: bad environment: DATABASE_PORT: want a port: a whole number from 1 to 65535
}

func ExampleOptimalSize() {
	size, err := presets.OptimalSize(presets.Workload{
		ServerCores: 8, Spindles: 1, MaxConnections: 100, Instances: 2,
		Rate: 400, HoldTime: 5 * time.Millisecond,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(size)
	// Output:
	// MinConns 1, MaxConns 3
	// the server is kept busy by 17 connections: 8 cores x 2 + 1 spindles
	// divided among 2 instances: 8 each
	// 400 a second at 5ms each hold 2 connections on average (rate x time), so each instance needs 3 with room for chance
	// lowered from 8 to 3: the load needs no more
	// so 3 for each instance, 6 in all; a fifth, 1, kept open
}
