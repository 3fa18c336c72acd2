package main

import (
	"database/sql"
	"errors"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/health"
	poolotel "github.com/poolsql/poolsql/otel"
)

// A shop is a pool, and all that looks at it. What a program has to do to be seen stands in this file.
type shop struct {
	db      *sql.DB
	pool    *poolsql.Connector
	monitor *health.Monitor
	metrics *poolotel.MetricsHandler
	health  http.Handler
	traces  *sdktrace.TracerProvider
}

// openShop opens the pool with everything on. A program that has a connection string writes DSN instead of ConnConfig.
func openShop(cfg *pgx.ConnConfig, conns int) (*shop, error) {
	// A program that sends its traces somewhere gives the provider an exporter. Without one there are still trace ids, which
	// the histograms of /metrics have as exemplars.
	s := &shop{traces: sdktrace.NewTracerProvider()}
	var err error
	s.db, err = poolsql.Open(poolsql.Config{
		ConnConfig: cfg, Name: "shop",
		MaxConns: conns, MinConns: 2, HighReserve: 1, MaxWaiting: 200, AcquireTimeout: 5 * time.Second,
		LeakThreshold: 2 * time.Second, LeakStacks: true,
		Tracer: poolotel.NewTracer(poolotel.WithTracerProvider(s.traces)),
	})
	if err != nil {
		return nil, err
	}
	if err := s.watch(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// watch has the pool measured and judged.
func (s *shop) watch() (err error) {
	if s.pool, err = poolsql.FromDB(s.db); err != nil {
		return err
	}
	if s.metrics, err = poolotel.NewHandler([]*poolsql.Connector{s.pool}); err != nil {
		return err
	}
	if s.monitor, err = health.New(s.pool, health.Config{Interval: 5 * time.Second, ShowQueries: true}); err != nil {
		return err
	}
	s.monitor.Start()
	s.health, err = health.NewHandler(s.monitor, health.HandlerOptions{})
	return err
}

// pages are what an operator asks for.
func (s *shop) pages() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/metrics", s.metrics)
	mux.Handle("/health/", http.StripPrefix("/health", s.health))
	mux.Handle("/{$}", http.RedirectHandler("/health/page/", http.StatusSeeOther))
	return mux
}

// close ends what openShop began.
func (s *shop) close() error {
	var errs []error
	if s.monitor != nil {
		errs = append(errs, s.monitor.Close())
	}
	if s.metrics != nil {
		s.metrics.Close()
	}
	return errors.Join(append(errs, s.db.Close())...)
}
