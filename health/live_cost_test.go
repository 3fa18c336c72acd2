//go:build unix && !race

package health_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/health"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/priority"
)

// Ten who look at the page cost the process less than a hundredth of what the load costs it that they look at. The two are
// measured one after the other, since the load alone varies by more: first the readers, of a pool that has every slot and a
// queue to show and nothing to do; then a load on the same pool. What the readers themselves cost, who are in this process
// too, is counted as the page's. The race detector makes the page dearer than the load, most of which is the kernel's: it is
// left out there.
func TestTenReadersCostLessThanAHundredthOfTheLoad(t *testing.T) {
	testdb.NoLeaks(t)
	const conns, waiters, readers = 50, 100, 10
	db, pool, m := open(t, connector.Config{DSN: testdb.New(t).DSN, MaxConns: conns, AcquireTimeout: time.Minute},
		health.Config{ShowQueries: true, NoProbe: true})
	db.SetMaxIdleConns(conns + waiters)
	m.Start()

	hold, let := context.WithCancel(t.Context())
	var held sync.WaitGroup
	for i := range conns + waiters {
		ctx := priority.WithTenant(priority.WithLabel(hold, fmt.Sprint("caller of kind ", i%40)), fmt.Sprint("tenant ", i%20))
		held.Go(func() { holdOne(ctx, db) })
	}
	waitFor(t, func() bool { s := pool.Stats(); return s.InUseConns == conns && s.Waiting == waiters })
	page := httptest.NewServer(m.Page())
	defer page.Close()
	const span = 4 * time.Second
	unseen := cpuDuring(span)
	stop := look(t, page, readers)
	seen := cpuDuring(span)
	stop()
	let()
	held.Wait()

	loaded, end := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for range 64 {
		load.Go(func() {
			for loaded.Err() == nil {
				_, _ = db.ExecContext(loaded, "select 1")
			}
		})
	}
	busy := cpuDuring(span)
	end()
	load.Wait()

	share := float64(seen-unseen) / float64(busy)
	t.Logf("of each second: %s for %d readers, of a load's %s: %.2f %%; the monitor alone %s",
		((seen - unseen) / 4).Round(time.Microsecond), readers, (busy / 4).Round(time.Microsecond), 100*share, (unseen / 4).Round(time.Microsecond))
	if share > 0.01 {
		t.Errorf("%d readers cost %.2f %% of what the load costs", readers, 100*share)
	}
}

// holdOne holds a connection until ctx ends, which has run a statement of some length.
func holdOne(ctx context.Context, db *sql.DB) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return
	}
	defer tx.Rollback()
	_, _ = tx.ExecContext(ctx, `select customer, sum(quantity * price) from (values (1, 2, 9.95)) as items (customer, quantity, price)
		where customer = $1 and price > 4 group by customer order by 2 desc limit 20`, 1)
	<-ctx.Done()
}

// look has so many read the page's stream until stop is called.
func look(t *testing.T, page *httptest.Server, readers int) (stop func()) {
	t.Helper()
	var conns []net.Conn
	var reading sync.WaitGroup
	for range readers {
		conn, err := net.Dial("tcp", page.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
		reading.Go(func() { _, _ = io.Copy(io.Discard, conn) })
	}
	return func() {
		for _, c := range conns {
			_ = c.Close()
		}
		reading.Wait()
	}
}

// cpuDuring is how much of the processors' time this process takes in the time d.
func cpuDuring(d time.Duration) time.Duration {
	before := cpu()
	time.Sleep(d)
	return cpu() - before
}

func cpu() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
