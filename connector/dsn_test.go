package connector_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/priority"
)

// inText are values for each field that a DSN can set, and what they are.
var inText = []struct {
	name, value string
	is          connector.Config
}{
	{"name", "shop floor", connector.Config{Name: "shop floor"}},
	{"max_conns", "9", connector.Config{MaxConns: 9}},
	{"min_conns", "2", connector.Config{MinConns: 2}},
	{"max_dials", "3", connector.Config{MaxDials: 3}},
	{"max_conn_lifetime", "2h", connector.Config{MaxConnLifetime: 2 * time.Hour}},
	{"max_conn_lifetime_jitter", "1m30s", connector.Config{MaxConnLifetimeJitter: 90 * time.Second}},
	{"max_conn_idle_time", "none", connector.Config{MaxConnIdleTime: connector.None}},
	{"health_check_period", "5s", connector.Config{HealthCheckPeriod: 5 * time.Second}},
	{"acquire_timeout", "25s", connector.Config{AcquireTimeout: 25 * time.Second}},
	{"connect_timeout", "7s", connector.Config{ConnectTimeout: 7 * time.Second}},
	{"statement_timeout", "4321ms", connector.Config{StatementTimeout: 4321 * time.Millisecond}},
	{"transaction_timeout", "1m", connector.Config{TransactionTimeout: time.Minute}},
	{"idle_in_transaction_timeout", "8765ms", connector.Config{IdleInTransactionTimeout: 8765 * time.Millisecond}},
	{"cancel_timeout", "800ms", connector.Config{CancelTimeout: 800 * time.Millisecond}},
	{"max_cancels", "2", connector.Config{MaxCancels: 2}},
	{"end_timeout", "20s", connector.Config{EndTimeout: 20 * time.Second}},
	{"high_reserve", "1", connector.Config{HighReserve: 1}},
	{"aging_share", "-1", connector.Config{AgingShare: -1}},
	{"max_waiting", "100", connector.Config{MaxWaiting: 100}},
	{"shedding", "on", connector.Config{Shedding: priority.ShedOn}},
	{"tenant_weights", "gold=4", connector.Config{TenantWeights: priority.Weights{"gold": 4}}},
	{"tenant_max_conns", "3", connector.Config{TenantMaxConns: 3}},
	{"tenant_max_waiting", "50", connector.Config{TenantMaxWaiting: 50}},
	{"slow_threshold", "400ms", connector.Config{SlowThreshold: 400 * time.Millisecond}},
	{"slow_share", "30", connector.Config{SlowShare: 30}},
	{"cost_by_statement", "true", connector.Config{CostByStatement: true}},
	{"cost_from_plan", "true", connector.Config{CostFromPlan: true}},
	{"adaptive_limit", "true", connector.Config{AdaptiveLimit: true}},
	{"adaptive_limit_min", "3", connector.Config{AdaptiveLimitMin: 3}},
	{"coalesce_max_waiters", "-1", connector.Config{CoalesceMaxWaiters: -1}},
	{"coalesce_max_bytes", "4096", connector.Config{CoalesceMaxBytes: 4096}},
	{"coalesce_max_age", "50ms", connector.Config{CoalesceMaxAge: 50 * time.Millisecond}},
	{"coalesce_at_cap", "fail", connector.Config{CoalesceAtCap: priority.Refuse}},
	{"statement_cache_capacity", "64", connector.Config{StatementCacheCapacity: 64}},
	{"prewarm_statements", "select $1::int", connector.Config{PrewarmStatements: []string{"select $1::int"}}},
	{"prewarm", "select 1; select 2", connector.Config{Prewarm: []string{"select 1; select 2"}}},
	{"reset_query", "DISCARD TEMP", connector.Config{ResetQuery: "DISCARD TEMP"}},
	{"pgbouncer", "session", connector.Config{PgBouncer: connector.PoolSession}},
	{"pgbouncer_prepared", "true", connector.Config{PgBouncerPrepared: true}},
	{"pgbouncer_params", "search_path,jit", connector.Config{PgBouncerParams: []string{"search_path", "jit"}}},
	{"session_settings", "app.tenant=tenant,app.region", connector.Config{SessionSettings: []string{"app.tenant=tenant", "app.region"}}},
	{"classify_reads", "true", connector.Config{ClassifyReads: true}},
	{"replicas_only", "true", connector.Config{ReplicasOnly: true}},
	{"max_replica_lag", "none", connector.Config{MaxReplicaLag: connector.None}},
	{"replica_check_interval", "900ms", connector.Config{ReplicaCheckInterval: 900 * time.Millisecond}},
	{"leak_threshold", "1h", connector.Config{LeakThreshold: time.Hour}},
	{"leak_stacks", "true", connector.Config{LeakStacks: true}},
}

// forBouncer reports whether a parameter is for connections that lead to a PgBouncer.
func forBouncer(name string) bool { return strings.HasPrefix(name, "pgbouncer") }

func TestEachParameterOfADSNSetsItsFieldInEitherForm(t *testing.T) {
	for _, c := range inText {
		for _, dsn := range []string{
			"postgres://app:s3cr3t@localhost/shop?sslmode=disable&pool_" + c.name + "=" + strings.NewReplacer(" ", "%20", ";", "%3B", "=", "%3D").Replace(c.value),
			"host=localhost pool_" + c.name + "='" + c.value + "' user=app password=s3cr3t",
		} {
			var cfg connector.Config
			if err := cfg.SetDSN(dsn); err != nil {
				t.Errorf("%s: %v", dsn, err)
				continue
			}
			if strings.Contains(cfg.DSN, "pool_") {
				t.Errorf("%s: it is still in the DSN: %s", dsn, cfg.DSN)
			}
			cfg.DSN = ""
			if !reflect.DeepEqual(cfg, c.is) {
				t.Errorf("%s sets %v, want %v", dsn, cfg, c.is)
			}
		}
	}
}

// The parameters are in force, and the server, which would refuse to start a session with one that it does not know, is
// told of none of them, wherever they are said.
func TestServerIsNotToldOfTheParametersOfThePool(t *testing.T) {
	t.Parallel()
	db := testdb.New(t)
	params := ""
	for _, c := range inText {
		if !forBouncer(c.name) {
			params += " pool_" + c.name + "='" + c.value + "'"
		}
	}
	cc, err := pgx.ParseConfig(db.DSN)
	if err != nil {
		t.Fatal(err)
	}
	plain := fmt.Sprintf("host='%s' port=%d user=%s password='%s' dbname=%s", cc.Host, cc.Port, cc.User, cc.Password, cc.Database)
	service := filepath.Join(t.TempDir(), "services")
	lines := "[shop]\n" + strings.NewReplacer(" pool", "\npool", "'", "").Replace(params)
	if err := os.WriteFile(service, []byte(lines+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	parsed, err := pgx.ParseConfig(plain + params)
	if err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]connector.Config{
		"DSN":          {DSN: plain + params},
		"service file": {DSN: plain + " servicefile='" + service + "' service=shop"},
		"ConnConfig":   {ConnConfig: parsed},
	} {
		t.Run(name, func(t *testing.T) {
			pool, err := connector.Open(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			var limit, idle string
			row := pool.QueryRow("select current_setting('statement_timeout'), current_setting('idle_in_transaction_session_timeout')")
			if err := row.Scan(&limit, &idle); err != nil {
				t.Fatal(err)
			}
			if limit != "4321ms" || idle != "8765ms" {
				t.Errorf("the server has limits of %s and %s", limit, idle)
			}
			c, err := connector.FromDB(pool)
			if err != nil {
				t.Fatal(err)
			}
			got := c.Config()
			for _, c := range inText {
				for _, field := range reflect.VisibleFields(reflect.TypeOf(got)) {
					want := reflect.ValueOf(c.is).FieldByIndex(field.Index)
					if have := reflect.ValueOf(got).FieldByIndex(field.Index); !forBouncer(c.name) && !want.IsZero() && !reflect.DeepEqual(have.Interface(), want.Interface()) {
						t.Errorf("%s is %v, want %v", field.Name, have, want)
					}
				}
			}
		})
	}
	if parsed.RuntimeParams["pool_max_conns"] != "9" {
		t.Error("the caller's ConnConfig was changed")
	}
}

// Where pgxpool has a parameter, the same text means the same here.
func TestParametersMeanWhatTheyMeanToPgxpool(t *testing.T) {
	for _, params := range []string{
		"", "pool_max_conns=7&pool_min_conns=3", "pool_min_conns=0", "pool_max_conn_lifetime=90m", "pool_max_conn_lifetime=1h&pool_max_conn_lifetime_jitter=5m",
		"pool_max_conn_idle_time=1h10m10s", "pool_health_check_period=100ms", "pool_max_conn_lifetime=1us", "pool_max_conns=%2B7",
	} {
		dsn := "postgres://app@localhost/shop?" + params
		theirs, err := pgxpool.ParseConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		c := connector.NewConnector(connector.Config{DSN: dsn})
		if err := c.Err(); err != nil {
			t.Fatal(err)
		}
		ours := c.Config()
		if ours.MaxConns != int(theirs.MaxConns) || ours.MinConns != int(theirs.MinConns) || ours.MaxConnLifetime != theirs.MaxConnLifetime ||
			ours.MaxConnIdleTime != theirs.MaxConnIdleTime ||
			strings.Contains(params, "period") && ours.HealthCheckPeriod != theirs.HealthCheckPeriod ||
			strings.Contains(params, "jitter") && ours.MaxConnLifetimeJitter != theirs.MaxConnLifetimeJitter {
			t.Errorf("%q is %v, and to pgxpool %d %d %s %s %s %s", params, ours, theirs.MaxConns, theirs.MinConns,
				theirs.MaxConnLifetime, theirs.MaxConnLifetimeJitter, theirs.MaxConnIdleTime, theirs.HealthCheckPeriod)
		}
	}
	// Its jitter is off by default, so that 0 is what it says for that.
	c := connector.NewConnector(connector.Config{DSN: "postgres://app@localhost/shop?pool_max_conn_lifetime_jitter=0"})
	if got := c.Config().MaxConnLifetimeJitter; got != connector.None {
		t.Errorf("a jitter of 0 is %s, want none", got)
	}
	for _, bad := range []string{"pool_max_conns=0", "pool_max_conns=x", "pool_max_conn_lifetime=30", "pool_health_check_period=x", "pool_min_conns=1.5"} {
		dsn := "postgres://app@localhost/shop?" + bad
		_, theirs := pgxpool.ParseConfig(dsn)
		if ours := (&connector.Config{DSN: dsn}).Validate(); theirs == nil || ours == nil {
			t.Errorf("%s: pgxpool says %v, poolsql %v", bad, theirs, ours)
		}
	}
}

func TestAFieldThatIsSetWinsOverTheDSN(t *testing.T) {
	const dsn = "postgres://app@localhost/shop?pool_max_conns=7&pool_min_conns=3&pool_acquire_timeout=none&pool_prewarm=select"
	c := connector.NewConnector(connector.Config{DSN: dsn, MaxConns: 5, AcquireTimeout: time.Second, Prewarm: []string{"select 1"}})
	if got := c.Config(); got.MaxConns != 5 || got.MinConns != 3 || got.AcquireTimeout != time.Second || !slices.Equal(got.Prewarm, []string{"select 1"}) {
		t.Errorf("got %v", got)
	}
	// Also one that the DSN says wrong: there is no use in hiding that.
	cfg := connector.Config{DSN: "postgres://app@localhost/shop?pool_max_conns=many", MaxConns: 5}
	if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "pool_max_conns: want a whole number of 1 or more") {
		t.Errorf("error %v", err)
	}
}

func TestSetDSNWinsOverWhatIsSet(t *testing.T) {
	cfg := connector.Config{DSN: "host=elsewhere", MaxConns: 5, MinConns: 4, StatementTimeout: time.Second}
	err := cfg.SetDSN("host=localhost pool_max_conns=7 password=x pool_statement_timeout=0 pool_max_conns=8")
	if err != nil || cfg.DSN != "host=localhost password=x" || cfg.MaxConns != 8 || cfg.MinConns != 4 || cfg.StatementTimeout != 0 {
		t.Errorf("%v, DSN %q: %v", err, cfg.DSN, cfg)
	}
	before := cfg
	for _, bad := range []string{"pool_max_conns=9 pool_min_conns=x", "pool_max_conns=9 host", "pool_max_conns=9 pool_nothing=x"} {
		if err := cfg.SetDSN(bad); err == nil || !reflect.DeepEqual(cfg, before) {
			t.Errorf("%q: %v leaves %v", bad, err, cfg)
		}
	}
	if err := cfg.SetDSN("pool_max_conns=9"); err != nil || cfg.DSN != "postgres://" {
		t.Errorf("a DSN that says nothing of a server: %v, %q", err, cfg.DSN)
	}
	if err := cfg.SetDSN(""); err != nil || cfg.DSN != "" {
		t.Errorf("no DSN: %v, %q", err, cfg.DSN)
	}
}

func TestAllThatIsWrongWithADSNIsToldAtOnceAndWithoutItsValues(t *testing.T) {
	cfg := connector.Config{DSN: "host=localhost port=s3cr3t password=s3cr3t pool_max_conn=s3cr3t pool_acquire_timeout=s3cr3t " +
		"pool_min_idle_conns=s3cr3t pool_ping_timeout=s3cr3t pool_leak_stacks=s3cr3t pool_reset_query=' ' POOL_MAX_WAITING=1 pool_xyz=1 pool_=1 " +
		"pool_max_conn_lifetime=0 pool_pgbouncer=s3cr3t pool_pgbouncer_console=s3cr3t pool_dsn=s3cr3t pool_a/b=s3cr3t pool_maxConnections=1",
		MaxDials: -3}
	err := cfg.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"DSN does not parse: port: want numbers",
		"pool_max_conn: there is no such pool parameter; did you mean pool_max_conns?",
		"pool_acquire_timeout: want a duration with its unit, such as 30s or 1h30m, or none for no limit",
		"pool_min_idle_conns: poolsql keeps a number of connections open, and not of idle ones: want pool_min_conns",
		"pool_ping_timeout: poolsql's pings have a limit of their own",
		"pool_leak_stacks: want true or false",
		"pool_reset_query: want a statement",
		"POOL_MAX_WAITING: there is no such pool parameter; did you mean pool_max_waiting?",
		"pool_xyz: there is no such pool parameter; want one of pool_name, pool_max_conns, ",
		"pool_max_conn_lifetime: want a duration",
		"pool_pgbouncer: want session, transaction or statement",
		"pool_pgbouncer_console: a DSN cannot hold another",
		"pool_dsn: a DSN cannot hold another",
		"there is a pool parameter whose name has more in it than letters",
		"pool_maxConnections: there is no such pool parameter; did you mean pool_max_conns?",
		"MaxDials is -3",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	for _, never := range []string{"s3cr3t", "a/b"} {
		if strings.Contains(err.Error(), never) {
			t.Errorf("the error shows %q:\n%v", never, err)
		}
	}
}

// What pgx says of a DSN quotes it, in places without quotation marks. Each of its errors is told in words of ours.
func TestWhatPgxFindsWrongIsToldWithoutQuotingTheDSN(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	file := filepath.Join(t.TempDir(), "s3cr3t")
	if err := os.WriteFile(file, []byte("s3cr3t"), 0o600); err != nil {
		t.Fatal(err)
	}
	for params, want := range map[string]string{
		"port=s3cr3t":                                       "port: want numbers",
		"host=h port=1,2":                                   "port: want one, or one for each host",
		"connect_timeout=s3cr3t":                            "connect_timeout: want seconds",
		"target_session_attrs=s3cr3t":                       "target_session_attrs: want any",
		"sslcertmode=s3cr3t":                                "sslcertmode: want disable",
		"min_protocol_version=s3cr3t":                       "min_protocol_version: want 3.0",
		"max_protocol_version=s3cr3t":                       "max_protocol_version: want 3.0",
		"min_protocol_version=3.2 max_protocol_version=3.0": "min_protocol_version: want no more",
		"channel_binding=s3cr3t":                            "channel_binding: want disable",
		"require_auth=s3cr3t":                               "require_auth: want a list",
		"service=s3cr3t":                                    "service: want the name",
		"service=a servicefile=" + file:                     "service: want the name",
		"statement_cache_capacity=s3cr3t":                   "statement_cache_capacity: want a whole",
		"description_cache_capacity=s3cr3t":                 "description_cache_capacity: want a whole",
		"default_query_exec_mode=s3cr3t":                    "default_query_exec_mode: want cache_statement",
		"sslmode=s3cr3t":                                    "sslmode: want disable",
		"sslcert=s3cr3t":                                    "sslcert and sslkey: want both",
		"sslrootcert=/s3cr3t/s3cr3t":                        "sslrootcert: cannot be read: no such file or directory",
		"sslrootcert=" + file:                               "sslrootcert: want a file of certificates",
		"sslcert=a sslkey=/s3cr3t/s3cr3t":                   "sslkey: cannot be read: no such file or directory",
		"sslcert=a sslkey=" + file:                          "sslkey: want a key in PEM form",
		"target_session_attrs='s3cr3t`: s3cr3t'":            "pgx does not accept it",
	} {
		if !strings.Contains(params, "host=") {
			params = "host=h " + params
		}
		err := (&connector.Config{DSN: params}).Validate()
		if err == nil || !strings.Contains(err.Error(), "DSN does not parse: "+want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v, want %q", params, err, want)
		}
		var theirs *pgconn.ParseConfigError
		if errors.As(err, &theirs) {
			t.Errorf("%s: the error of pgx, which holds the DSN, can be had from ours", params)
		}
	}
}
