package connector_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

func TestWrongPasswordIsToldWithoutIt(t *testing.T) {
	testdb.NoLeaks(t)
	u, err := url.Parse(testdb.New(t).TCPDSN)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(u.User.Username(), "wr0ngs3cret")
	db, err := connector.Open(connector.Config{DSN: u.String(), AcquireTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := connector.FromDB(db)
	defer func() { db.Close(); <-c.Done() }()
	began := time.Now()
	err = db.Ping()
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "28P01" || !errors.Is(err, priority.ErrUnavailable) {
		t.Errorf("error %v, want one that is 28P01 and ErrUnavailable", err)
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "wr0ngs3cret") {
		t.Errorf("the error shows the password: %v", err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("told after %s: nobody has to wait for what cannot be", took)
	}
}

func TestAFullServerIsToldAndTheCallersShareWhatThereIs(t *testing.T) {
	testdb.NoLeaks(t)
	d := testdb.New(t)
	admin, err := connector.Open(connector.Config{DSN: d.DSN, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	ac, _ := connector.FromDB(admin)
	defer func() { admin.Close(); <-ac.Done() }()
	if _, err := admin.Exec(`create role limited login password 'pw' connection limit 2`); err != nil {
		t.Fatal(err)
	}
	defer admin.Exec("drop role limited")
	u, _ := url.Parse(d.TCPDSN)
	u.User = url.UserPassword("limited", "pw")
	db, err := connector.Open(connector.Config{DSN: u.String(), MaxConns: 8, AcquireTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := connector.FromDB(db)
	defer func() { db.Close(); <-c.Done() }()
	if err := db.Ping(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 30 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if _, err := db.Exec("select pg_sleep(0.01)"); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	if s := c.Stats(); s.ConnectErrorCount == 0 || s.TotalConns-s.ConnectingConns > 2 {
		t.Errorf("%d failures to connect and %d connections, want some and 2: %+v", s.ConnectErrorCount, s.TotalConns, s)
	}
}

func TestADatabaseThatIsDownIsToldAtOnceOrWaitedForAndFoundWhenItComesBack(t *testing.T) {
	testdb.NoLeaks(t)
	d := testdb.Private(t)
	db, err := connector.Open(connector.Config{DSN: d.DSN, MaxConns: 4, AcquireTimeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := connector.FromDB(db)
	defer func() { db.Close(); <-c.Done() }()
	ctx := context.Background()
	if err := db.Ping(); err != nil {
		t.Fatal(err)
	}
	if err := d.Server.Stop(ctx, testdb.Immediate); err != nil {
		t.Fatal(err)
	}
	// The first may meet the dead connection after it was sent; then the pool knows.
	await(t, func() bool {
		_, err := db.Exec("select 1")
		return errors.Is(err, priority.ErrUnavailable)
	})
	began := time.Now()
	_, err = db.Exec("select 1")
	var create *lifecycle.CreateError
	if !errors.As(err, &create) || time.Since(began) > 5*time.Second {
		t.Errorf("after %s: %v, want a CreateError soon", time.Since(began), err)
	}
	patient := make(chan error, 8)
	for range cap(patient) {
		go func() {
			_, err := db.ExecContext(priority.WithRetries(ctx, 1), "select 1")
			patient <- err
		}()
	}
	await(t, func() bool { return c.Stats().Waiting == cap(patient) })
	if err := d.Server.Restart(ctx, testdb.Fast); err != nil {
		t.Fatal(err)
	}
	for range cap(patient) {
		if err := <-patient; err != nil {
			t.Errorf("one who waited for the database: %v", err)
		}
	}
	if err := db.Ping(); err != nil {
		t.Errorf("after the restart: %v", err)
	}
}

func TestANewConnectionThatNeverAnswersEndsWithTheConnectTimeout(t *testing.T) {
	testdb.NoLeaks(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepted sync.WaitGroup
	accepted.Add(1)
	go func() {
		defer accepted.Done()
		for {
			conn, err := silent.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
		}
	}()
	defer accepted.Wait()
	defer silent.Close()
	db, err := connector.Open(connector.Config{
		DSN:            fmt.Sprintf("postgres://app:s3cr3t@%s/shop?sslmode=disable", silent.Addr()),
		ConnectTimeout: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := connector.FromDB(db)
	defer func() { db.Close(); <-c.Done() }()
	began := time.Now()
	err = db.Ping()
	if !errors.Is(err, priority.ErrUnavailable) || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("error %v, want ErrUnavailable without a secret", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("told after %s", took)
	}
}

// stressTime is how long the stress runs: POOLSQL_STRESS, or 2 s.
func stressTime(t *testing.T) time.Duration {
	text := os.Getenv("POOLSQL_STRESS")
	if text == "" {
		return 2 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("POOLSQL_STRESS: %v", err)
	}
	return d
}

// Callers whose contexts end at any point, backends that are killed, connections that are reset: at the end every
// transfer that was acknowledged is there once, and the pool has everything back.
func TestStressOnARealServerConservesMoneyAndConnections(t *testing.T) {
	const maxConns = 6
	db, c := open(t, connector.Config{MaxConns: maxConns, HighReserve: 1, AcquireTimeout: 10 * time.Second})
	ctx := context.Background()
	if _, err := db.Exec(`create table account (id int primary key, balance bigint not null);
		create table transfer (id bigint primary key, amount bigint not null);
		insert into account select i, 1000 from generate_series(1, 20) i`); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	time.AfterFunc(stressTime(t), func() { close(stop) })
	var ids, acknowledged, unknown atomic.Int64
	var mu sync.Mutex
	sure := map[int64]bool{}
	var wg sync.WaitGroup
	for worker := range 24 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			rnd := rand.New(rand.NewPCG(uint64(worker), 1))
			for {
				select {
				case <-stop:
					return
				default:
				}
				id := ids.Add(1)
				callCtx := priority.WithClass(ctx, priority.Classes()[rnd.IntN(priority.NumClasses)])
				cancel := context.CancelFunc(func() {})
				if rnd.IntN(3) == 0 {
					callCtx, cancel = context.WithTimeout(callCtx, time.Duration(rnd.IntN(5000))*time.Microsecond)
				}
				sent, err := transfer(callCtx, db, id, rnd)
				cancel()
				if err == nil {
					acknowledged.Add(1)
					mu.Lock()
					sure[id] = true
					mu.Unlock()
				} else if sent {
					unknown.Add(1)
				}
			}
		}()
	}
	wg.Add(1)
	go func() { // the disturber
		defer wg.Done()
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			if s := c.Stats(); s.TotalConns > maxConns || s.TotalConns != s.IdleConns+s.InUseConns+s.ConnectingConns+s.ClosingConns {
				t.Errorf("the numbers do not add up: %+v", s)
			}
			switch n % 4 {
			case 0:
				c.Reset()
			case 1:
				db.Exec("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and random() < 0.3")
			case 2:
				if conns := c.Connections(); len(conns) > 0 {
					c.Evict(conns[n%len(conns)].ID)
				}
			}
		}
	}()
	wg.Wait()
	await(t, func() bool { s := c.Stats(); return s.InUseConns == 0 && s.Waiting == 0 && s.ClosingConns == 0 })

	var sum, rows, lost int64
	if err := db.QueryRow("select sum(balance) from account").Scan(&sum); err != nil || sum != 20000 {
		t.Errorf("the balances sum up to %d (%v), want 20000", sum, err)
	}
	found, err := db.Query("select id from transfer")
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	there := map[int64]bool{}
	for found.Next() {
		var id int64
		if err := found.Scan(&id); err != nil {
			t.Fatal(err)
		}
		there[id] = true
		rows++
	}
	for id := range sure {
		if !there[id] {
			lost++
		}
	}
	if lost > 0 || acknowledged.Load() == 0 {
		t.Errorf("%d of %d acknowledged transfers are not there", lost, acknowledged.Load())
	}
	if extra := rows - acknowledged.Load(); extra < 0 || extra > unknown.Load() {
		t.Errorf("%d transfers are there, %d were acknowledged and of %d the outcome is unknown", rows, acknowledged.Load(), unknown.Load())
	}
	s := c.Stats()
	t.Logf("%d acknowledged, %d unknown, %d refused, %d connections opened", acknowledged.Load(), unknown.Load(), s.RefusedCount, s.NewConnsCount)
	if s.AcquireCount != s.ReleaseCount+uint64(s.InUseConns) {
		t.Errorf("%d lendings begun, %d ended, %d under way", s.AcquireCount, s.ReleaseCount, s.InUseConns)
	}
}
