package integration_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector"
)

// watchInterval is how often the connections are counted.
const watchInterval = 5 * time.Millisecond

// A watch counts the pool's connections: as the pool says, and as the server does.
type watch struct {
	dsn  string
	pool *connector.Connector
	end  func() // once
	done chan struct{}

	mu sync.Mutex
	// guarded by mu

	looks        int             // at the server
	most         int             // sessions on the server
	excused      int             // how many sessions the server may have at present, beside MaxConns
	before       [2]int          // how many were above that at the last two looks, the last one first
	excess       int             // the most above that, in two looks in a row
	excessAt     time.Duration   // after the start
	counted      connector.Stats // when the pool said most
	inconsistent *connector.Stats
}

func startWatch(dsn string, pool *connector.Connector) *watch {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watch{dsn: dsn, pool: pool, end: cancel, done: make(chan struct{})}
	go w.run(ctx)
	return w
}

// excuse says that from now on the server may have so many sessions of which nobody has told it that they have ended.
func (w *watch) excuse(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.excused = n
}

func (w *watch) stop() {
	w.end()
	<-w.done
}

func (w *watch) run(ctx context.Context) {
	defer close(w.done)
	var conn *pgx.Conn
	began := time.Now()
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for ctx.Err() == nil {
		w.lookAtPool()
		conn = w.lookAtServer(ctx, conn, began)
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	if conn != nil {
		conn.Close(context.Background())
	}
}

func (w *watch) lookAtPool() {
	s := w.pool.Stats()
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.TotalConns > w.counted.TotalConns {
		w.counted = s
	}
	if s.TotalConns != s.IdleConns+s.InUseConns+s.ConnectingConns+s.ClosingConns {
		w.inconsistent = &s
	}
}

// lookAtServer returns the connection to look with the next time, nil while the server cannot be asked.
func (w *watch) lookAtServer(ctx context.Context, conn *pgx.Conn, began time.Time) *pgx.Conn {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if conn == nil {
		var err error
		if conn, err = pgx.Connect(ctx, w.dsn); err != nil {
			return nil
		}
	}
	var n int
	err := conn.QueryRow(ctx, "select count(*) from pg_stat_activity where application_name = $1 and backend_type = 'client backend'",
		application).Scan(&n)
	if err != nil {
		conn.Close(context.Background())
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	w.most = max(w.most, n)
	// The server reads its list entry by entry: while sessions come and go, one may have ended and its successor begun between
	// two entries, and both be counted; while many are terminated, at two looks in a row. What is too much is so at three.
	excess := n - maxConns - w.excused
	if all := min(excess, w.before[0], w.before[1]); all > w.excess {
		w.excess, w.excessAt = all, time.Since(began)
	}
	w.before = [2]int{excess, w.before[0]}
	return conn
}

// check fails the test if there were ever more connections than there may be.
func (w *watch) check(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.looks == 0 || w.most == 0 {
		t.Errorf("the server was asked %d times, and had %d sessions at most: the watch has seen nothing", w.looks, w.most)
	}
	if w.counted.TotalConns > maxConns {
		t.Errorf("the pool had %d connections, and may have %d: %+v", w.counted.TotalConns, maxConns, w.counted)
	}
	if w.inconsistent != nil {
		t.Errorf("the numbers do not add up: %+v", *w.inconsistent)
	}
	if w.excess > 0 {
		t.Errorf("the server had %d sessions of the pool more than it may, %s after the start", w.excess, w.excessAt.Round(time.Millisecond))
	}
	t.Logf("asked %d times, the server had %d sessions of the pool at most, and the pool %d connections", w.looks, w.most, w.counted.TotalConns)
}
