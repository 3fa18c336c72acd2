package connector_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/priority"
)

func TestValidateRefusesLimitsThatCannotBeMeant(t *testing.T) {
	set := map[string]func(*connector.Config, time.Duration){
		"StatementTimeout":         func(cfg *connector.Config, d time.Duration) { cfg.StatementTimeout = d },
		"TransactionTimeout":       func(cfg *connector.Config, d time.Duration) { cfg.TransactionTimeout = d },
		"IdleInTransactionTimeout": func(cfg *connector.Config, d time.Duration) { cfg.IdleInTransactionTimeout = d },
		"CancelTimeout":            func(cfg *connector.Config, d time.Duration) { cfg.CancelTimeout = d },
		"LeakThreshold":            func(cfg *connector.Config, d time.Duration) { cfg.LeakThreshold = d },
	}
	for name, set := range set {
		for want, d := range map[string]time.Duration{
			"must not be negative":   -1,
			"must be a millisecond":  30,
			"must not be above 596h": 25 * 24 * time.Hour,
			"as far as the server":   1<<63 - 1,
		} {
			cfg := connector.Config{DSN: goodDSN}
			set(&cfg, d)
			if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), name+" is "+d.String()+": ") || !strings.Contains(err.Error(), want) {
				t.Errorf("%s of %s: %v", name, d, err)
			}
		}
		for _, d := range []time.Duration{0, time.Millisecond, 24 * 24 * time.Hour} {
			cfg := connector.Config{DSN: goodDSN}
			set(&cfg, d)
			if err := cfg.Validate(); err != nil {
				t.Errorf("%s of %s: %v", name, d, err)
			}
		}
	}
	for want, cfg := range map[string]connector.Config{
		"MaxCancels is -1: must not be negative":        {MaxCancels: -1},
		"MaxCancels is 1000000: must not be above":      {MaxCancels: 1000000},
		"Prewarm[1] is empty":                           {Prewarm: []string{"select 1", " "}},
		"Shedding is 9: want priority.ShedOff":          {Shedding: 9},
		"TenantWeights: ":                               {TenantWeights: priority.Weights{"gold": -1}},
		"SlowShare is 101: must be a percentage":        {SlowShare: 101},
		"TenantMaxConns is -1: must not be negative":    {TenantMaxConns: -1},
		"TenantMaxWaiting is -1: must not be negative":  {TenantMaxWaiting: -1},
		"SlowThreshold is -1ns: must not be negative":   {SlowThreshold: -1},
		"SessionSettings[0] names no setting":           {SessionSettings: []string{"App.X"}},
		"PrewarmStatements[0] is empty":                 {PrewarmStatements: []string{""}},
		"StatementCacheCapacity is -1: must not be neg": {StatementCacheCapacity: -1},
		"CoalesceMaxWaiters is -2: must not be negativ": {CoalesceMaxWaiters: -2},
		"CoalesceMaxBytes is -1: must not be negative":  {CoalesceMaxBytes: -1},
		"CoalesceMaxAge is -1ns: must not be negative":  {CoalesceMaxAge: -1},
		"CoalesceAtCap is 3":                            {CoalesceAtCap: 3},
		"ResetQuery is blank":                           {ResetQuery: "\n"},
		"StatementTimeout is 30ns: must be a milliseco": {StatementTimeout: 30},
	} {
		cfg.DSN = goodDSN
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want one that says %q", err, want)
		}
	}
}

func TestValidateRefusesBesideAConnectorWhatIsForPgx(t *testing.T) {
	for field, cfg := range map[string]connector.Config{
		"StatementTimeout": {StatementTimeout: time.Second}, "TransactionTimeout": {TransactionTimeout: time.Second},
		"IdleInTransactionTimeout": {IdleInTransactionTimeout: time.Second}, "CancelTimeout": {CancelTimeout: time.Second},
		"MaxCancels": {MaxCancels: 2}, "Prewarm": {Prewarm: []string{"select 1"}}, "ResetQuery": {ResetQuery: "discard all"},
	} {
		cfg.Connector = &nilConnector{}
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), field+" is set beside Connector") {
			t.Errorf("%s: %v", field, err)
		}
	}
	cfg := connector.Config{Connector: &nilConnector{}, LeakThreshold: time.Second, LeakStacks: true}
	if err := cfg.Validate(); err != nil {
		t.Errorf("leaks are found with every driver: %v", err)
	}
}

// dsnWith is the DSN with a parameter.
func dsnWith(t *testing.T, dsn, param, value string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("the DSN does not parse")
	}
	q := u.Query()
	q.Set(param, value)
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
	return u.String()
}

// What the DSN says counts as what the pool allows: else a call could have no more.
func TestAStatementTimeoutOfTheDSNIsThePools(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	d := testdb.New(t)
	for value, want := range map[string]time.Duration{
		"300": 300 * time.Millisecond, "300ms": 300 * time.Millisecond, "0.3s": 300 * time.Millisecond, " 1 s ": time.Second,
		"5s": 5 * time.Second, "5000": 5 * time.Second, "1min": time.Minute, "2h": 2 * time.Hour, "3d": 72 * time.Hour,
		"300000us": 300 * time.Millisecond, "0": 0, "200us": 0,
	} {
		t.Run(value, func(t *testing.T) {
			c := connector.NewConnector(connector.Config{DSN: dsnWith(t, d.DSN, "statement_timeout", value), MaxConns: 1})
			db := sql.OpenDB(c)
			defer func() { db.Close(); <-c.Done() }()
			var ms int64
			ask := func(ctx context.Context) time.Duration {
				t.Helper()
				if err := db.QueryRowContext(ctx, "select setting::bigint from pg_settings where name = 'statement_timeout'").Scan(&ms); err != nil {
					t.Fatal(err)
				}
				return time.Duration(ms) * time.Millisecond
			}
			if got := ask(t.Context()); got != want {
				t.Errorf("the server understands %s, want %s", got, want)
			}
			longer := priority.WithTimeout(t.Context(), 100*time.Hour)
			switch got := ask(longer); {
			case want > 0 && got != 100*time.Hour:
				t.Errorf("a call that may take longer has %s", got)
			case want == 0 && got != 0:
				t.Errorf("a call has %s of no limit", got)
			}
			if got := ask(t.Context()); got != want {
				t.Errorf("afterwards it is %s, want %s", got, want)
			}
			if want != 300*time.Millisecond {
				return
			}
			_, err := db.Exec("select pg_sleep(60)")
			var timeout *pooldriver.TimeoutError
			if !errors.As(err, &timeout) || timeout.After != want || timeout.Limit != pooldriver.LimitStatement {
				t.Errorf("%v", err)
			}
		})
	}
}

// silent listens, accepts, and never says anything. It returns its address.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex // guards conns
	var conns []net.Conn
	var done sync.WaitGroup
	done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
		}
	})
	t.Cleanup(func() {
		l.Close()
		done.Wait()
		for _, conn := range conns {
			conn.Close()
		}
	})
	return l.Addr().String()
}

func TestTheConnectTimeoutIsToldWithHowFarItGot(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	address := silent(t)
	db, err := connector.Open(connector.Config{
		DSN: "postgres://app:s3cr3t@" + address + "/shop?sslmode=disable", ConnectTimeout: 150 * time.Millisecond, MaxConns: 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := connector.FromDB(db)
	defer func() { db.Close(); <-c.Done() }()
	began := time.Now()
	err = db.PingContext(t.Context())
	var timeout *pooldriver.TimeoutError
	if !errors.As(err, &timeout) || timeout.Limit != pooldriver.LimitConnect || timeout.After != 150*time.Millisecond ||
		timeout.Ran < 150*time.Millisecond || !errors.Is(err, pooldriver.ErrConnectTimeout) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%+v: %v", timeout, err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("told after %s", took)
	}
	for _, want := range []string{"connect timeout of 150ms ran out", address} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", err, err, err) + fmt.Sprintf("%+v", timeout) + fmt.Sprint(c.Stats().ConnectFailure); strings.Contains(text, "s3cr3t") {
		t.Errorf("the error shows the secret: %v", err)
	}
}

// A caller who owns the only connection, and waits for another, would wait for himself.
func TestACallInsideATransactionOnTheOnlyConnectionIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{Name: "shop", MaxConns: 1, AcquireTimeout: time.Minute})
	ctx := priority.WithLabel(priority.WithOwner(t.Context()), "checkout")
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	began := time.Now()
	_, err = db.ExecContext(ctx, "select 1")
	if !errors.Is(err, priority.ErrDeadlock) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want ErrDeadlock", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("told after %s", took)
	}
	for _, want := range []string{`pool "shop"`, "deadlock", `"checkout"`, "go on with what is held, such as its transaction"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	if _, err := tx.ExecContext(ctx, "select 1"); err != nil {
		t.Errorf("the transaction goes on: %v", err)
	}
	if s := c.Stats(); s.Waiting != 0 || s.RefusedCount != 1 {
		t.Errorf("%d wait, %d refused", s.Waiting, s.RefusedCount)
	}
}

// Whoever writes the one where the other is meant means the same.
var _ [1]struct{} = [1 + connector.None - priority.NoTimeout]struct{}{}
