package integration_test

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"net/url"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/integration/bank"
	"github.com/poolsql/poolsql/internal/integration/toxicproxy"
	"github.com/poolsql/poolsql/internal/testdb"
)

const (
	application = "poolsql-bank"
	maxConns    = 8
	workers     = 24

	// The pool's limits are short, so that what hangs is seen to hang within a short fault.
	acquireTimeout   = 5 * time.Second
	connectTimeout   = 2 * time.Second
	statementTimeout = 2 * time.Second
	endTimeout       = 2 * time.Second

	// backSoon is how soon after a fault the first transfer has to succeed, and backInFull how soon half of the former
	// rate has to be reached. The machine has other work, too.
	backSoon   = 2 * time.Second
	backInFull = 5 * time.Second
	// atRest is how long the last callers may take once no more begin: one acquire timeout and a few statements.
	atRest = acquireTimeout + 3*statementTimeout + 2*endTimeout
)

// durable is what a server needs that is killed and has to remember what it acknowledged; testdb trades that for speed.
const durable = "synchronous_commit = on"

// A rig is a bank under load, on a server that is about to fail.
type rig struct {
	t     *testing.T
	db    *sql.DB
	pool  *connector.Connector
	load  *bank.Load
	watch *watch

	server *testdb.Server
	proxy  *toxicproxy.Proxy // nil where there is none between pool and server
	// poolDSN is the pool's way to the bank's database, sideDSN one past the pool and the proxy.
	poolDSN, sideDSN string
	rate             float64 // transfers a second before the fault
	rules            bank.Rules
}

// newRig gives a rig on a server of its own. Change, if not nil, may change the pool's configuration. The caller has called
// NoLeaks.
func newRig(t *testing.T, proxied bool, change func(*connector.Config), settings ...string) *rig {
	t.Helper()
	testdb.NoLeaks(t)
	d := testdb.Private(t, append(settings, durable)...)
	dsn, err := d.OrdinaryDSN(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, server: d.Server, sideDSN: d.DSN}
	r.createBank(dsn)
	if proxied {
		dsn = r.putProxyBefore(dsn)
	}
	r.open(dsn, change)
	return r
}

func (r *rig) createBank(dsn string) {
	r.t.Helper()
	ctx := r.t.Context()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close(ctx)
	if err := bank.Create(ctx, conn); err != nil {
		r.t.Fatal(err)
	}
}

// putProxyBefore returns the DSN that leads through a new proxy.
func (r *rig) putProxyBefore(dsn string) string {
	r.t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		r.t.Fatal(err)
	}
	r.proxy, err = toxicproxy.New(u.Host)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { r.proxy.Close() })
	u.Host = r.proxy.Addr()
	return u.String()
}

func (r *rig) open(dsn string, change func(*connector.Config)) {
	r.t.Helper()
	r.poolDSN = dsn + "&application_name=" + application
	cfg := connector.Config{
		Name: "bank", DSN: r.poolDSN,
		MaxConns: maxConns, MinConns: 2, HighReserve: 1,
		AcquireTimeout: acquireTimeout, ConnectTimeout: connectTimeout,
		StatementTimeout: statementTimeout, EndTimeout: endTimeout,
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	r.db, err = connector.Open(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.pool, _ = connector.FromDB(r.db)
	r.t.Cleanup(func() { r.db.Close() }) // for a test that fails half way
	r.watch = startWatch(r.sideDSN, r.pool)
	r.t.Cleanup(r.watch.stop)
}

// begin puts the bank under load of all kinds, and returns when it is at work.
func (r *rig) begin() {
	r.t.Helper()
	r.beginWith(bank.Plan{Workers: workers})
}

func (r *rig) beginWith(plan bank.Plan) {
	r.t.Helper()
	plan.Seed = seedOf(r.t)
	r.t.Logf("POOLSQL_SEED=%d", plan.Seed)
	r.load = bank.Start(r.db, plan)
	r.t.Cleanup(func() { r.stop() })
	j := r.load.Journal()
	if !poll(5*time.Second, func() bool { return j.Done() >= 100 }) {
		r.t.Fatalf("%d transfers in the first 5 s: %s", j.Done(), j)
	}
	r.rate = r.measure(500 * time.Millisecond)
}

// measure returns how many transfers a second succeed.
func (r *rig) measure(d time.Duration) float64 {
	began, before := time.Now(), r.load.Journal().Done()
	time.Sleep(d)
	return float64(r.load.Journal().Done()-before) / time.Since(began).Seconds()
}

// healed is called when the fault is over, and fails the test if work does not go on soon.
func (r *rig) healed() {
	r.t.Helper()
	j := r.load.Journal()
	began, before := time.Now(), j.Done()
	if !poll(backSoon, func() bool { return j.Done() > before }) {
		r.t.Errorf("no transfer succeeded within %s after the fault\n%+v", backSoon, r.pool.Stats())
	}
	first := time.Since(began)
	var rate float64
	for rate < r.rate/2 {
		if time.Since(began) > backInFull {
			r.t.Errorf("%.0f transfers a second %s after the fault, %.0f before it\n%+v", rate, backInFull, r.rate, r.pool.Stats())
			break
		}
		rate = r.measure(250 * time.Millisecond)
	}
	r.t.Logf("first transfer %s after the fault; %.0f a second before it, %.0f at %s after it",
		first.Round(time.Millisecond), r.rate, rate, time.Since(began).Round(10*time.Millisecond))
}

// side connects to the bank's database past the pool.
func (r *rig) side(ctx context.Context) *pgx.Conn {
	r.t.Helper()
	conn, err := pgx.Connect(ctx, r.sideDSN)
	if err != nil {
		r.t.Fatal(err)
	}
	return conn
}

// faultTime is how long a fault lasts: POOLSQL_FAULT, or 2 s.
func faultTime(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("POOLSQL_FAULT")
	if text == "" {
		return 2 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("POOLSQL_FAULT: %v", err)
	}
	return d
}

// last lets the fault last, and does something at each interval of it.
func (r *rig) last(interval time.Duration, do func(n int)) {
	r.t.Helper()
	over := time.After(faultTime(r.t))
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for n := 0; ; n++ {
		do(n)
		select {
		case <-over:
			return
		case <-tick.C:
		}
	}
}

// pass lets the fault last.
func (r *rig) pass() { time.Sleep(faultTime(r.t)) }

func seedOf(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("POOLSQL_SEED")
	if text == "" {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("POOLSQL_SEED: %v", err)
	}
	return seed
}

// poll asks until it is so, and reports whether it was in time.
func poll(limit time.Duration, so func() bool) bool {
	deadline := time.Now().Add(limit)
	for !so() {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(5 * time.Millisecond)
	}
	return true
}
