package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/connector/poolhttp"
	"github.com/poolsql/poolsql/examples/internal/database"
	"github.com/poolsql/poolsql/examples/internal/program"
	"github.com/poolsql/poolsql/health"
	poolotel "github.com/poolsql/poolsql/otel"
	"github.com/poolsql/poolsql/priority"
)

// A service is a pool, what it serves, and all that looks at it. A program that has a connection string writes DSN instead of
// ConnConfig.
type service struct {
	db      *sql.DB
	pool    *poolsql.Connector
	monitor *health.Monitor
	metrics *poolotel.MetricsHandler
	server  *http.Server
	schema  string
	// stopping is set when the service has been told to stop, and is not to be sent more.
	stopping atomic.Bool
}

// open opens the pool and whatever looks at it. Nothing is served yet.
func open(cfg *pgx.ConnConfig, schema string, conns int) (*service, error) {
	s := &service{schema: schema}
	var err error
	s.db, err = poolsql.Open(poolsql.Config{
		ConnConfig: cfg, Name: "service",
		MaxConns: conns, MinConns: 2, HighReserve: 1, MaxWaiting: 200, Shedding: priority.ShedOn,
		AcquireTimeout: 2 * time.Second, StatementTimeout: 5 * time.Second, LeakThreshold: 10 * time.Second,
		Observer: poolhttp.Timings(),
	})
	if err != nil {
		return nil, err
	}
	if err := s.watch(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// watch has the pool measured and judged, and makes the server.
func (s *service) watch() (err error) {
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
	pages, err := s.pages()
	if err != nil {
		return err
	}
	// The middleware's deadline ends calls of the pool, and these a client that sends or reads slowly. The live page sets its own.
	s.server = &http.Server{
		Handler: s.leaving(pages), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 20 * time.Second, IdleTimeout: time.Minute,
	}
	return nil
}

// pages are what users ask for, through the middleware, and what operators ask for, beside it: health has to answer when
// nothing else does.
func (s *service) pages() (http.Handler, error) {
	prepare, err := poolhttp.New(poolhttp.Options{
		Timeout: 2 * time.Second, Rules: rules,
		ServerTiming: poolhttp.Anyone, // this one is for looking at
	})
	if err != nil {
		return nil, err
	}
	checks, err := health.NewHandler(s.monitor, health.HandlerOptions{})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", prepare(s.routes()))
	mux.Handle("/metrics", s.metrics)
	mux.Handle("/health/", http.StripPrefix("/health", checks))
	mux.Handle("/health/ready", s.ready())
	mux.Handle("/{$}", http.RedirectHandler("/health/page/", http.StatusSeeOther))
	return mux, nil
}

// ready says whether the service should be sent requests: what the pool's health says, until the service is about to stop.
func (s *service) ready() http.Handler {
	healthy := s.monitor.Ready()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.stopping.Load() {
			w.Header().Set("Cache-Control", "no-store")
			http.Error(w, "stopping", http.StatusServiceUnavailable)
			return
		}
		healthy.ServeHTTP(w, r)
	})
}

// leaving has each answer ask for its connection to be closed when the service is about to stop: clients keep theirs open, and a
// request that is on its way when the server closes it is lost.
func (s *service) leaving(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.stopping.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// close ends what open began.
func (s *service) close() error {
	var errs []error
	if s.monitor != nil {
		errs = append(errs, s.monitor.Close())
	}
	if s.metrics != nil {
		s.metrics.Close()
	}
	return errors.Join(append(errs, s.db.Close())...)
}

// serve runs the service on a database of its own until ctx ends or the duration has passed, with the load that is wanted, and lets
// it drain. Whatever happens, it leaves neither a database nor a schema behind.
func serve(ctx context.Context, set settings, stdout, stderr io.Writer) (err error) {
	d, err := database.Open(ctx, "service", set.dsn, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, program.LeftBehind(d.Close())) }()
	defer func() { err = errors.Join(err, program.LeftBehind(d.Drop(ctx))) }()
	if err := fill(ctx, d); err != nil {
		return err
	}
	s, err := open(d.ConnConfig("service"), d.Schema, set.conns)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()

	listener, err := net.Listen("tcp", set.listen)
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(listener) }()
	at := "http://" + listener.Addr().String()
	fmt.Fprintf(stdout, "live page   %s/health/page/\nmetrics     %s/metrics\nready       %s/health/ready\n", at, at, at)
	fmt.Fprintf(stdout, "try         curl -i %s/items/7\n", at)
	fmt.Fprintln(stdout, "runs until you stop it, or -duration has passed")

	told := ctx
	if set.duration > 0 {
		var cancel context.CancelFunc
		told, cancel = context.WithTimeout(ctx, set.duration)
		defer cancel()
	}
	users := startLoad(at, set.rate, stdout)
	select {
	case <-told.Done():
	case err := <-served:
		users.stop()
		return err
	}
	impatient, end := signal.NotifyContext(context.WithoutCancel(ctx), os.Interrupt, syscall.SIGTERM)
	defer end()
	err = s.stop(impatient, set.grace, stdout)
	if ended := <-served; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	users.stop()
	users.report(stdout)
	return err
}
