package observability_test

import (
	"context"
	"database/sql"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/poolsql/poolsql"
	poolotel "github.com/poolsql/poolsql/otel"
)

// A site is an application with several pools, which serves its metrics.
type site struct {
	t       *testing.T
	metrics *poolotel.MetricsHandler
	server  *httptest.Server
}

func newSite(t *testing.T) *site {
	t.Helper()
	metrics, err := poolotel.NewHandler(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(metrics.Close)
	s := &site{t: t, metrics: metrics, server: httptest.NewServer(metrics)}
	t.Cleanup(s.server.Close)
	return s
}

// address is where a scrape goes.
func (s *site) address() string { return strings.TrimPrefix(s.server.URL, "http://") }

// scrape returns what Prometheus would get.
func (s *site) scrape() string {
	s.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(s.server.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %v\n%s", resp.Status, err, body)
	}
	return string(body)
}

// open opens a pool that is measured.
func (s *site) open(cfg poolsql.Config) (*sql.DB, *poolsql.Connector) {
	s.t.Helper()
	db, err := poolsql.Open(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { db.Close() })
	pool, err := poolsql.FromDB(db)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.metrics.Register(pool); err != nil {
		s.t.Fatal(err)
	}
	return db, pool
}

// A crowd are callers who call again as soon as they are answered.
type crowd struct {
	cancel context.CancelFunc
	gone   sync.WaitGroup
}

// newCrowd is one without callers, which goes with the test.
func newCrowd(t *testing.T) (*crowd, context.Context) {
	ctx, cancel := context.WithCancel(context.Background())
	c := &crowd{cancel: cancel}
	t.Cleanup(c.goHome)
	return c, ctx
}

// come adds n callers, who rest for so long between two calls. What a call fails with is their own affair.
func (c *crowd) come(ctx context.Context, n int, rest time.Duration, call func(context.Context) error) {
	for range n {
		c.gone.Go(func() {
			for ctx.Err() == nil {
				_ = call(ctx)
				select {
				case <-ctx.Done():
				case <-time.After(rest):
				}
			}
		})
	}
}

// goHome has all callers leave, and waits for them.
func (c *crowd) goHome() {
	c.cancel()
	c.gone.Wait()
}

// exec is a call that runs a statement.
func exec(db *sql.DB, statement string, args ...any) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := db.ExecContext(ctx, statement, args...)
		return err
	}
}

// within is a call with a deadline.
func within(d time.Duration, call func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, d)
		defer cancel()
		return call(ctx)
	}
}

// as is a call in a class, with a label.
func as(class poolsql.Class, label string, call func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		return call(poolsql.WithLabel(poolsql.WithPriority(ctx, class), label))
	}
}
