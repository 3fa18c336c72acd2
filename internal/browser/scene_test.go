package browser_test

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/health"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/priority"
)

// A scene is a pool with a page, and whoever uses it.
type scene struct {
	t       *testing.T
	pool    *connector.Connector
	db      *sql.DB
	monitor *health.Monitor
	url     string
	ctx     context.Context // ends with the scene
	callers sync.WaitGroup
}

// stage makes one. Its page shows statements.
func stage(t *testing.T, on *testdb.DB, cfg connector.Config) *scene {
	t.Helper()
	cfg.DSN = on.DSN
	if cfg.Name == "" {
		cfg.Name = "orders"
	}
	pool := connector.NewConnector(cfg)
	m, err := health.New(pool, health.Config{ShowQueries: true, Dwell: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	m.Start()
	db := sql.OpenDB(pool)
	if _, err := db.ExecContext(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &scene{t: t, pool: pool, db: db, monitor: m, ctx: ctx}
	mux := http.NewServeMux()
	mux.Handle("/debug/pool/", http.StripPrefix("/debug/pool", m.Page()))
	server := httptest.NewServer(mux)
	s.url = server.URL + "/debug/pool/"
	t.Cleanup(func() {
		cancel()
		s.callers.Wait()
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		server.CloseClientConnections()
		server.Close()
		_ = s.db.Close()
		_ = pool.Close()
	})
	return s
}

// A caller is one of those who use the pool, again and again.
type caller struct {
	label, tenant string
	class         priority.Class
	n             int
	pause         time.Duration // between two uses, on average
	use           func(ctx context.Context, db *sql.DB) error
}

// send has callers come until the scene ends. What they hear does not matter: the page does.
func (s *scene) send(callers ...caller) {
	for _, c := range callers {
		ctx := priority.WithClass(priority.WithLabel(s.ctx, c.label), c.class)
		if c.tenant != "" {
			ctx = priority.WithTenant(ctx, c.tenant)
		}
		for range c.n {
			s.callers.Go(func() {
				for s.ctx.Err() == nil {
					_ = c.use(ctx, s.db)
					select {
					case <-ctx.Done():
					case <-time.After(time.Duration(float64(c.pause) * (0.5 + rand.Float64()))):
					}
				}
			})
		}
	}
}

// statement runs one that takes about so long.
func statement(text string, takes time.Duration) func(context.Context, *sql.DB) error {
	return func(ctx context.Context, db *sql.DB) error {
		_, err := db.ExecContext(ctx, text, (time.Duration(float64(takes) * (0.6 + 0.8*rand.Float64()))).Seconds())
		return err
	}
}

// idleInTransaction begins a transaction and goes for a walk.
func idleInTransaction(text string, walk time.Duration) func(context.Context, *sql.DB) error {
	return func(ctx context.Context, db *sql.DB) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if _, err := tx.ExecContext(ctx, text, 1); err != nil {
			return err
		}
		pause(ctx, walk)
		return tx.Commit()
	}
}

// readSlowly reads rows with pauses in between.
func readSlowly(text string, rows int, each time.Duration) func(context.Context, *sql.DB) error {
	return func(ctx context.Context, db *sql.DB) error {
		r, err := db.QueryContext(ctx, text, rows)
		if err != nil {
			return err
		}
		defer r.Close()
		for r.Next() {
			pause(ctx, each)
		}
		return r.Err()
	}
}

// holdNothing takes a connection and does nothing with it.
func holdIdly(d time.Duration) func(context.Context, *sql.DB) error {
	return func(ctx context.Context, db *sql.DB) error {
		c, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.PingContext(ctx); err != nil {
			return err
		}
		pause(ctx, d)
		return nil
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// hold holds a connection until ctx ends.
func (s *scene) hold(ctx context.Context) error { return holdIdly(time.Hour)(ctx, s.db) }
