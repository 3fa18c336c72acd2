package poolsql_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/health"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
	poolotel "github.com/poolsql/poolsql/otel"
)

// The invariants of docs/design.md, one test each, by their numbers. Each looks at the whole, on a real server and under
// everything at once that may go wrong there; the parts have tests of their own.

// effort is how long each invariant is put to the test.
func effort(t *testing.T) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(os.Getenv("POOLSQL_STRESS"))
	if err != nil {
		return 1500 * time.Millisecond
	}
	return d
}

// seed returns where the random numbers start, and says so.
func seed(t *testing.T) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(os.Getenv("POOLSQL_SEED"), 10, 64)
	if err != nil {
		n = rand.Uint64()
	}
	t.Logf("POOLSQL_SEED=%d", n)
	return n
}

// openAll returns a *sql.DB on a fresh database, its connector and a direct way to the same database. At the end all
// that was opened must be closed.
func openAll(t *testing.T, cfg poolsql.Config) (db *sql.DB, c *poolsql.Connector, direct *sql.DB) {
	t.Helper()
	testdb.NoLeaks(t)
	cfg.DSN = testdb.New(t).DSN
	db, err := poolsql.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = poolsql.FromDB(db); err != nil {
		t.Fatal(err)
	}
	if direct, err = sql.Open("pgx", cfg.DSN); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		db.Close()
		direct.Close()
		select {
		case <-c.Done():
		case <-time.After(30 * time.Second):
			t.Errorf("not everything is closed: %+v", c.Connections())
		}
	})
	return db, c, direct
}

// crowd runs work on n goroutines until the effort is spent. Each gets random numbers of its own.
func crowd(t *testing.T, n int, work func(ctx context.Context, id int, rnd *rand.Rand)) {
	t.Helper()
	start := seed(t)
	ctx, cancel := context.WithTimeout(t.Context(), effort(t))
	defer cancel()
	var wg sync.WaitGroup
	for id := range n {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(start, uint64(id)))
			for ctx.Err() == nil {
				work(context.WithoutCancel(ctx), id, rnd)
			}
		})
	}
	wg.Wait()
}

// mishap is something that goes wrong with one connection: a statement that is canceled or fails, a transaction that is
// left open, rows that are, a panic, a session that the server ends.
func mishap(ctx context.Context, db *sql.DB, rnd *rand.Rand) {
	switch rnd.IntN(7) {
	case 0:
		ctx, cancel := context.WithTimeout(ctx, time.Duration(rnd.IntN(3000))*time.Microsecond)
		defer cancel()
		db.ExecContext(ctx, "select pg_sleep(0.002)")
	case 1:
		db.ExecContext(poolsql.WithTimeout(ctx, time.Millisecond), "select pg_sleep(1)")
	case 2:
		ctx, cancel := context.WithCancel(ctx)
		if tx, err := db.BeginTx(ctx, nil); err == nil {
			tx.ExecContext(ctx, "select 1")
		}
		cancel() // database/sql rolls back
	case 3:
		if rows, err := db.QueryContext(ctx, "select generate_series(1, 5000)"); err == nil {
			rows.Next()
			rows.Close()
		}
	case 4:
		func() {
			defer func() { _ = recover() }()
			db.ExecContext(ctx, "select $1::text", panics{})
		}()
	case 5:
		db.ExecContext(ctx, "select pg_terminate_backend(pg_backend_pid())")
	case 6:
		if conn, err := db.Conn(ctx); err == nil {
			conn.ExecContext(ctx, "begin")
			conn.ExecContext(ctx, "select 1/0")
			conn.Close()
		}
	}
}

// panics is an argument whose Valuer panics.
type panics struct{}

func (panics) Value() (any, error) { panic("on purpose") }

// 1. A physical connection is bound to at most one session; after any check-in, failed, panicked or not, it is idle,
// handed over or closed: never lost.
func TestInvariant1AConnectionHasOneHolderAndIsNeverLost(t *testing.T) {
	const conns = 4
	db, c, _ := openAll(t, poolsql.Config{MaxConns: conns})
	var holders sync.Map // by the server's process: who holds it
	crowd(t, 16, func(ctx context.Context, id int, rnd *rand.Rand) {
		if rnd.IntN(3) == 0 {
			mishap(ctx, db, rnd)
			return
		}
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Errorf("begin: %v", err)
			return
		}
		defer tx.Rollback()
		var pid int
		if tx.QueryRowContext(ctx, "select pg_backend_pid()").Scan(&pid) != nil {
			return // somebody has ended the session
		}
		if other, taken := holders.LoadOrStore(pid, id); taken {
			t.Errorf("process %d serves %d and %v", pid, id, other)
		}
		tx.ExecContext(ctx, "select pg_sleep(0.0005)")
		holders.Delete(pid)
	})
	await(t, "every connection to come back", func() bool { return c.Stats().InUseConns == 0 })
	var txs []*sql.Tx
	for range conns { // all of them can still be had
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		txs = append(txs, tx)
	}
	for _, tx := range txs {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
}

// 2. Permits out never exceed the limit; physical connections, those being opened or closed included, never exceed
// MaxConns.
func TestInvariant2ThereAreNeverMoreConnectionsThanTheMaximum(t *testing.T) {
	const conns = 4
	db, c, direct := openAll(t, poolsql.Config{MaxConns: conns, MaxConnLifetime: 20 * time.Millisecond})
	var looks atomic.Int64
	crowd(t, 16, func(ctx context.Context, id int, rnd *rand.Rand) {
		switch {
		case id == 0:
			// The server counts a session a moment longer than we do: it has to read our goodbye, and to clean up. It
			// shows no more than the maximum, in the end, which a leak would not let it.
			over := func() bool {
				var n int
				err := direct.QueryRowContext(ctx, `select count(*) from pg_stat_activity where
					datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()`).Scan(&n)
				return err != nil || n > conns
			}
			await(t, "the server to have no more than the maximum", func() bool { return !over() })
			looks.Add(1)
		case id == 1:
			s := c.Stats()
			if s.TotalConns > conns || s.InUseConns > conns {
				t.Errorf("%d connections, %d in use, of at most %d", s.TotalConns, s.InUseConns, conns)
			}
			if sum := s.IdleConns + s.InUseConns + s.ConnectingConns + s.ClosingConns; sum != s.TotalConns {
				t.Errorf("the parts are %d, the whole is %d", sum, s.TotalConns)
			}
			looks.Add(1)
		case id == 2 && rnd.IntN(50) == 0:
			c.Reset()
		default:
			mishap(ctx, db, rnd)
		}
	})
	if looks.Load() == 0 {
		t.Error("nobody looked")
	}
}

// 3. Nothing acknowledged is lost, nothing is executed twice.
func TestInvariant3NothingAcknowledgedIsLostAndNothingRunsTwice(t *testing.T) {
	db, _, direct := openAll(t, poolsql.Config{MaxConns: 4})
	mustExec(t, direct, "create table done (id bigint, again int not null default 0)")
	var ids atomic.Int64
	var acknowledged, refuted sync.Map
	crowd(t, 16, func(ctx context.Context, who int, rnd *rand.Rand) {
		if who == 0 {
			direct.ExecContext(ctx, `select pg_terminate_backend(pid) from pg_stat_activity
				where datname = current_database() and pid <> pg_backend_pid() order by random() limit 1`)
			time.Sleep(5 * time.Millisecond)
			return
		}
		id := ids.Add(1)
		ctx, cancel := context.WithTimeout(ctx, time.Duration(rnd.IntN(8000))*time.Microsecond)
		defer cancel()
		err := write(ctx, db, id, rnd.IntN(2) == 0)
		switch {
		case err == nil:
			acknowledged.Store(id, true)
		case certainlyNot(err):
			refuted.Store(id, err)
		}
	})
	written := make(map[int64]int)
	rows, err := direct.Query("select id, count(*) from done group by id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var n int
		if err := rows.Scan(&id, &n); err != nil {
			t.Fatal(err)
		}
		if written[id] = n; n > 1 {
			t.Errorf("%d was written %d times", id, n)
		}
		if err, ok := refuted.Load(id); ok {
			t.Errorf("%d was written, and its caller was told: %v", id, err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	n := 0
	acknowledged.Range(func(id, _ any) bool {
		if n++; written[id.(int64)] == 0 {
			t.Errorf("%d was acknowledged and is lost", id)
		}
		return true
	})
	t.Logf("%d tried, %d acknowledged, %d written", ids.Load(), n, len(written))
	if n == 0 {
		t.Error("nothing was ever acknowledged")
	}
}

// write writes one row, as a statement or as a transaction.
func write(ctx context.Context, db *sql.DB, id int64, alone bool) error {
	if alone {
		_, err := db.ExecContext(ctx, "insert into done values ($1)", id)
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return errBeforeCommit{err}
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, "insert into done values ($1)", id); err != nil {
		return errBeforeCommit{err}
	}
	return tx.Commit()
}

// errBeforeCommit is the error of a transaction whose commit was never asked for.
type errBeforeCommit struct{ error }

// certainlyNot reports whether err says that what failed had no effect.
func certainlyNot(err error) bool {
	var refused *poolsql.AcquireError
	var answered *pgconn.PgError
	var safe interface{ SafeToRetry() bool }
	switch {
	case errors.As(err, new(errBeforeCommit)), errors.As(err, &refused), errors.Is(err, sql.ErrTxDone):
		return true
	case errors.As(err, &safe) && safe.SafeToRetry():
		return true
	default: // an answer that does not end the session
		return errors.As(err, &answered) && answered.Severity == "ERROR"
	}
}

// 4. A caller never waits past its context, and no queue holds a place for one that has gone.
func TestInvariant4NobodyWaitsPastItsContext(t *testing.T) {
	db, c, _ := openAll(t, poolsql.Config{MaxConns: 1})
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	var worst atomic.Int64
	crowd(t, 64, func(ctx context.Context, _ int, rnd *rand.Rand) {
		ctx, cancel := context.WithTimeout(ctx, time.Duration(rnd.IntN(50))*time.Millisecond)
		defer cancel()
		ctx = poolsql.WithPriority(ctx, []poolsql.Class{poolsql.High, poolsql.Normal, poolsql.Low}[rnd.IntN(3)])
		if _, err := db.ExecContext(ctx, "select 1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the context's", err)
		}
		deadline, _ := ctx.Deadline()
		for late := int64(time.Since(deadline)); ; {
			if w := worst.Load(); late <= w || worst.CompareAndSwap(w, late) {
				break
			}
		}
	})
	if late := time.Duration(worst.Load()); late > time.Second { // the machine is shared; nothing of ours takes that long
		t.Errorf("somebody waited for %s past its deadline", late)
	}
	if n := c.Stats().Waiting; n != 0 {
		t.Errorf("%d wait who have gone", n)
	}
}

// 5. No class starves for ever unless the configuration says so.
func TestInvariant5NoClassStarves(t *testing.T) {
	db, _, _ := openAll(t, poolsql.Config{MaxConns: 1})
	var served [3]atomic.Int64
	classes := []poolsql.Class{poolsql.High, poolsql.Normal, poolsql.Low}
	crowd(t, 24, func(ctx context.Context, id int, _ *rand.Rand) {
		class := id % 8 // High: six of eight, who alone would keep the connection busy
		if class > 2 {
			class = 0
		}
		if _, err := db.ExecContext(poolsql.WithPriority(ctx, classes[class]), "select pg_sleep(0.0005)"); err != nil {
			t.Error(err)
		}
		served[class].Add(1)
	})
	total := served[0].Load() + served[1].Load() + served[2].Load()
	for i, class := range classes {
		if n := served[i].Load(); n < total/40 { // a share of one in sixteen is theirs, less what a short run rounds off
			t.Errorf("class %s had %d of %d", class, n, total)
		}
	}
}

// 6. With every observer off, an operation on an idle session allocates nothing more than plain database/sql does.
func TestInvariant6AnOperationAllocatesNoMoreThanPlainDatabaseSQL(t *testing.T) {
	db, _, direct := openAll(t, poolsql.Config{MaxConns: 1})
	direct.SetMaxOpenConns(1)
	ctx := t.Context()
	for name, operation := range map[string]func(*sql.DB) error{
		"exec": func(db *sql.DB) error { _, err := db.ExecContext(ctx, "select 1"); return err },
		"query": func(db *sql.DB) error {
			var n int
			return db.QueryRowContext(ctx, "select $1::int", 1).Scan(&n)
		},
	} {
		plain, ours := math.Inf(1), math.Inf(1)
		for range 5 { // database/sql's goroutine for a query's context allocates a channel or not, as it happens to come
			plain, ours = min(plain, allocations(t, direct, operation)), min(ours, allocations(t, db, operation))
		}
		if ours > plain+0.5 {
			t.Errorf("%s: %.2f allocations, plain database/sql has %.2f", name, ours, plain)
		}
	}
}

// allocations returns how many an operation makes.
func allocations(t *testing.T, db *sql.DB, operation func(*sql.DB) error) float64 {
	t.Helper()
	const runs = 300
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		if err := operation(db); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / runs
}

// 7. On a direct connection a cancel never hits the statement that comes after it.
func TestInvariant7ACancelNeverHitsTheStatementAfterIt(t *testing.T) {
	const conns = 4
	db, c, _ := openAll(t, poolsql.Config{MaxConns: conns})
	var canceled, followed atomic.Int64
	crowd(t, 2*conns, func(ctx context.Context, _ int, rnd *rand.Rand) {
		limit := time.Duration(500+rnd.IntN(2500)) * time.Microsecond
		short, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		var err error
		if rnd.IntN(2) == 0 {
			_, err = db.ExecContext(short, "select pg_sleep(0.0015)")
		} else if tx, begin := db.BeginTx(ctx, nil); begin == nil {
			_, err = tx.ExecContext(short, "select pg_sleep(0.0015)")
			if end := tx.Rollback(); end != nil {
				t.Errorf("rollback after a cancel: %v", end)
			}
		}
		if err != nil {
			canceled.Add(1)
		}
		for range 3 {
			if _, err := db.ExecContext(ctx, "select pg_sleep(0.0002)"); err != nil {
				t.Errorf("a statement that nobody canceled: %v", err)
			}
			followed.Add(1)
		}
	})
	s := c.Stats()
	t.Logf("%d canceled, %d after them, %d connections opened", canceled.Load(), followed.Load(), s.NewConnsCount)
	if canceled.Load() == 0 {
		t.Error("nothing was ever canceled")
	}
	if s.NewConnsCount > conns {
		t.Errorf("%d connections were opened, %d would do", s.NewConnsCount, conns)
	}
}

// 8. Nothing that poolsql adds to a log, an event, a metric, a span, an error or a page holds an argument, a literal, a
// password or a DSN secret.
func TestInvariant8NothingToldToOthersHoldsASecret(t *testing.T) {
	const secret = "s3cr3t-0f-th3-us3r"
	var mu sync.Mutex
	var told strings.Builder
	tell := func(what any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(&told, "%+v\n", what)
	}
	log := writerFunc(func(line []byte) { tell(string(line)) })
	logger := lifecycle.NewLogger(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), lifecycle.LogOptions{})
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	db, c, _ := openAll(t, poolsql.Config{
		MaxConns: 1, LeakThreshold: 10 * time.Millisecond, StatementTimeout: time.Minute,
		Tracer: poolotel.NewTracer(poolotel.WithTracerProvider(provider), poolotel.WithQueryText()),
		Observer: lifecycle.Join(logger, poolsql.ObserverFunc(func(e poolsql.Event) {
			tell(e)
			if e.Err != nil {
				tell(e.Err.Error())
			}
		})),
	})
	metrics := poolotel.Handler(c)
	monitor, err := health.New(c, health.Config{ShowQueries: true})
	if err != nil {
		t.Fatal(err)
	}
	monitor.Start()
	defer monitor.Close()
	answer := func(h http.Handler) string {
		r := httptest.NewRecorder()
		h.ServeHTTP(r, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		return r.Body.String()
	}
	ctx := t.Context()
	statements := []struct {
		sql  string
		args []any
	}{
		{"select '" + secret + "'", nil}, {"select $1::text", []any{secret}}, {"select $1::int", []any{secret}},
		{"select '" + secret + "'::int", nil}, {"select E'" + secret + "' from nowhere", nil}, {"select $$" + secret + "$$, 1/0", nil},
		{"do $$ begin raise exception '" + secret + "'; end $$", nil}, {"selekt '" + secret + "'", nil},
	}
	for _, s := range statements {
		if rows, err := db.QueryContext(ctx, s.sql, s.args...); err == nil {
			tell(c.Connections())
			rows.Close()
		}
		tell(c.Connections())
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	tx.ExecContext(ctx, "select '"+secret+"'")
	report, err := json.Marshal(monitor.Report())
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{"report": string(report), "page": answer(monitor.Page())}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond) // the transaction has the only connection
	defer cancel()
	_, err = db.ExecContext(short, "select '"+secret+"'")
	tell(err)
	drained, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	tell(c.Drain(drained))
	tx.Rollback()
	tell(c.Stats())
	_, err = poolsql.Open(poolsql.Config{DSN: "postgres://app:" + secret + "@[::1/shop"})
	tell(err)
	broken, err := poolsql.Open(poolsql.Config{DSN: "postgres://app:" + secret + "@127.0.0.1:1/shop?password=" + secret})
	if err == nil {
		_, err = broken.ExecContext(ctx, "select 1")
		broken.Close()
	}
	tell(err)
	logger.Flush()
	shown["spans"], shown["metrics"] = fmt.Sprintf("%+v", spans.GetSpans()), answer(metrics)
	for where, want := range map[string]string{
		"report": "select ?", "page": "select ?", "spans": "select ?", "metrics": `error_type="22012"`,
	} {
		if !strings.Contains(shown[where], want) {
			t.Errorf("nothing was shown in the %s: %s", where, shown[where])
		}
		tell(shown[where])
	}
	mu.Lock()
	defer mu.Unlock()
	if !strings.Contains(told.String(), "level=DEBUG") {
		t.Error("nothing was logged")
	}
	if strings.Contains(told.String(), secret) {
		for _, line := range strings.Split(told.String(), "\n") {
			if strings.Contains(line, secret) {
				t.Errorf("told to others: %s", line)
			}
		}
	}
	if !strings.Contains(told.String(), "select ?") {
		t.Error("no statement was told at all, not even without its literals")
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

func mustExec(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

// await polls for what happens on goroutines that nobody can wait for.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
