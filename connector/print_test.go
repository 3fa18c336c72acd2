package connector_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/lifecycle"
)

// printed returns everything that a program may print of a configuration.
func printed(cfg connector.Config) []string {
	texts := []string{cfg.String(), cfg.GoString(), cfg.LogValue().String()}
	type settings struct {
		Config connector.Config
		Also   *connector.Config
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t", "%10v"} {
		for _, v := range []any{cfg, &cfg, []connector.Config{cfg}, map[string]*connector.Config{"a": &cfg}, settings{cfg, &cfg}} {
			texts = append(texts, fmt.Sprintf(verb, v))
		}
	}
	for _, format := range []string{"text", "JSON"} {
		var b bytes.Buffer
		var handler slog.Handler = slog.NewTextHandler(&b, nil)
		if format == "JSON" {
			handler = slog.NewJSONHandler(&b, nil)
		}
		slog.New(handler).Info("pool", "value", cfg, "pointer", &cfg, "list", []connector.Config{cfg})
		texts = append(texts, b.String())
	}
	text, err := json.Marshal(cfg)
	return append(texts, string(text), fmt.Sprint(err), fmt.Sprintf("%#v", err))
}

func TestNothingThatIsPrintedOfAConfigHoldsASecret(t *testing.T) {
	fallbacks, err := pgx.ParseConfig("postgres://app:s3cr3t@h1,h2:1/shop?sslmode=prefer&app.token=s3cr3t&search_path=stock")
	if err != nil {
		t.Fatal(err)
	}
	hook := func(context.Context, *pgx.Conn) error { return nil }
	for name, cfg := range map[string]connector.Config{
		"URL":                 {DSN: "postgres://app:s3cr3t@localhost/shop?sslpassword=s3cr3t"},
		"parameter":           {DSN: "postgres://app@localhost/shop?password=s3cr3t"},
		"encoded":             {DSN: "postgres://app:%73s3cr3t@localhost/shop?pass%77ord=s3cr3t"},
		"keywords":            {DSN: "host=localhost password=s3cr3t sslpassword='a s3cr3t'"},
		"keywords with space": {DSN: "host=localhost password = s3cr3t"},
		"malformed URL":       {DSN: "postgres://app:s3cr3t@[::1/shop"},
		"malformed keywords":  {DSN: "host=localhost password='s3cr3t"},
		"not encoded":         {DSN: "postgres://app:12/s3cr3t@localhost/shop"},
		"not quoted":          {DSN: "host=localhost password=a s3cr3t=="},
		"empty host":          {DSN: "host= password=s3cr3t"},
		"statements":          {DSN: "host=localhost", ResetQuery: "select set_config('a', 's3cr3t', false)", Prewarm: []string{"select 's3cr3t'"}},
		"statements in a DSN": {DSN: "host=localhost pool_reset_query='select \\'s3cr3t\\'' pool_prewarm='select $$s3cr3t$$'"},
		"ConnConfig":          {ConnConfig: fallbacks, AfterConnect: hook},
		"console":             {DSN: "host=localhost", PgBouncer: connector.PoolSession, PgBouncerConsole: "postgres://app:s3cr3t@localhost:6432/pgbouncer"},
	} {
		t.Run(name, func(t *testing.T) {
			for i, text := range printed(cfg) {
				// Statements are written as they are.
				if strings.Contains(text, "s3cr3t") && !strings.Contains(name, "statements") {
					t.Errorf("%d: %s", i, text)
				}
			}
			if strings.Contains(name, "statements") && strings.Contains(fmt.Sprintf("%v %+v %#v %s", cfg, cfg, cfg, cfg.LogValue()), "s3cr3t") {
				t.Errorf("a literal is shown: %v", cfg)
			}
			if err := cfg.Validate(); err != nil && strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("Validate: %v", err)
			}
			c := connector.NewConnector(cfg)
			if text := fmt.Sprintf("%v %+v %#v %d %s %v", c, c, c, c, c.Driver(), c.Config()); strings.Contains(text, "s3cr3t") {
				t.Errorf("the connector: %s", text)
			}
		})
	}
}

func TestAConfigPrintsWhatIsSet(t *testing.T) {
	cfg := connector.Config{
		Name: "the shop", DSN: "postgres://app:s3cr3t@localhost:5432/shop?sslmode=disable&pool_max_waiting=5&pool_reset_query=discard%20all",
		MaxConns: 20, AcquireTimeout: 5 * time.Second, MaxConnLifetime: connector.None, Prewarm: []string{"select 1", "load 'x'"},
		LeakStacks: true, PgBouncer: connector.PoolTransaction, PgBouncerParams: []string{"search_path", "jit"},
		AfterConnect: func(context.Context, *pgx.Conn) error { return nil },
		Observer:     lifecycle.ObserverFunc(func(lifecycle.Event) {}),
	}
	const want = `{name="the shop" ` +
		`dsn="postgres://app:xxxxx@localhost:5432/shop?sslmode=disable&pool_max_waiting=5&pool_reset_query='discard all'" ` +
		`max_conns=20 max_conn_lifetime=none acquire_timeout=5s prewarm="select ?; load ?" pgbouncer=transaction ` +
		`pgbouncer_params=search_path,jit leak_stacks=true after_connect=set observer=lifecycle.ObserverFunc}`
	if got := cfg.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := fmt.Sprintf("%+v|%s", &cfg, cfg); got != want+"|"+want {
		t.Errorf("got %s", got)
	}
	const wantGo = `connector.Config{Name:"a", DSN:"host=h", MaxConns:2, LeakThreshold:"1s"}`
	if got := fmt.Sprintf("%#v", connector.Config{Name: "a", DSN: "host=h", MaxConns: 2, LeakThreshold: time.Second}); got != wantGo {
		t.Errorf("got  %s\nwant %s", got, wantGo)
	}
	var none *connector.Config
	if got := fmt.Sprintf("%v %v %d", none, connector.Config{}, connector.Config{MaxConns: 1}); got != "<nil> {} %!d(connector.Config={max_conns=1})" {
		t.Errorf("got %s", got)
	}
	cc, err := pgx.ParseConfig("postgres://app:s3cr3t@h1:1,h2:2/shop?sslmode=disable&search_path=stock")
	if err != nil {
		t.Fatal(err)
	}
	if got := (connector.Config{ConnConfig: cc}).String(); got != `{conn_config="host=h1,h2 port=1,2 user=app password=xxxxx dbname=shop search_path=stock"}` {
		t.Errorf("got %s", got)
	}
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Info("opened", "pool", connector.Config{MaxConns: 3, LeakStacks: true, AcquireTimeout: time.Second})
	if !strings.Contains(b.String(), "pool.max_conns=3 pool.acquire_timeout=1s pool.leak_stacks=true") {
		t.Errorf("slog: %s", b.String())
	}
	if got := fmt.Sprint(connector.NewConnector(cfg), connector.NewConnector(connector.Config{}), (*connector.Connector)(nil)); got != "poolsql.Connector(bad) poolsql.Connector(bad) <nil>" {
		t.Errorf("connectors: %s", got)
	}
	if got := fmt.Sprint(connector.NewConnector(connector.Config{Name: "shop", DSN: "host=h"})); got != "poolsql.Connector(shop)" {
		t.Errorf("connector: %s", got)
	}
}
