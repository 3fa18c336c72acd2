package connector_test

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/lifecycle"
)

// full has a value in each field that has a text form.
func full(t *testing.T) connector.Config {
	t.Helper()
	var cfg connector.Config
	for _, c := range inText {
		if err := cfg.SetDSN("pool_" + c.name + "='" + c.value + "'"); err != nil {
			t.Fatal(err)
		}
	}
	cfg.DSN = "postgres://app@localhost/shop?sslmode=disable&pool_max_waiting=7"
	cfg.PgBouncerConsole = "host=localhost port=6432 dbname=pgbouncer"
	cfg.Prewarm = []string{"select 'one'", "select 2"}
	cfg.PrewarmStatements = []string{"select $1::int", "select 'two'"}
	return cfg
}

const fullJSON = `{"name":"shop floor","dsn":"postgres://app@localhost/shop?sslmode=disable\u0026pool_max_waiting=7","max_conns":9,"min_conns":2,` +
	`"max_dials":3,"max_conn_lifetime":"2h0m0s","max_conn_lifetime_jitter":"1m30s","max_conn_idle_time":"none","health_check_period":"5s",` +
	`"acquire_timeout":"25s","connect_timeout":"7s","statement_timeout":"4.321s","transaction_timeout":"1m0s",` +
	`"idle_in_transaction_timeout":"8.765s","cancel_timeout":"800ms","max_cancels":2,"end_timeout":"20s","high_reserve":1,"aging_share":-1,` +
	`"max_waiting":100,"shedding":"on","tenant_weights":"gold=4","tenant_max_conns":3,"tenant_max_waiting":50,"slow_threshold":"400ms",` +
	`"slow_share":30,"cost_by_statement":true,"cost_from_plan":true,"adaptive_limit":true,"adaptive_limit_min":3,"coalesce_max_waiters":-1,"coalesce_max_bytes":4096,"coalesce_max_age":"50ms","coalesce_at_cap":"fail",` +
	`"statement_cache_capacity":64,"prewarm_statements":["select $1::int","select 'two'"],"prewarm":["select 'one'","select 2"],` +
	`"reset_query":"DISCARD TEMP","pgbouncer":"session","pgbouncer_prepared":true,` +
	`"pgbouncer_console":"host=localhost port=6432 dbname=pgbouncer","pgbouncer_params":["search_path","jit"],` +
	`"session_settings":["app.tenant=tenant","app.region"],"classify_reads":true,"replicas_only":true,"max_replica_lag":"none",` +
	`"replica_check_interval":"900ms","leak_threshold":"1h0m0s",` +
	`"leak_stacks":true}`

func TestWhatIsReadIsWhatWasWritten(t *testing.T) {
	cfg := full(t)
	text, err := json.Marshal(cfg)
	if err != nil || string(text) != fullJSON {
		t.Fatalf("%v\ngot  %s\nwant %s", err, text, fullJSON)
	}
	var got connector.Config
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, cfg) {
		t.Errorf("%v\ngot  %v\nwant %v", err, got, cfg)
	}
	if text, err := json.Marshal(&connector.Config{}); err != nil || string(text) != "{}" {
		t.Errorf("the zero value: %s, %v", text, err)
	}

	// What a pool runs with can be written too, and comes to the same.
	said := connector.Config{DSN: "postgres://app@localhost/shop?pool_acquire_timeout=none&pool_min_conns=3", MaxConnLifetime: connector.None}
	inForce := connector.NewConnector(said).Config()
	text, err = json.Marshal(inForce)
	if err != nil {
		t.Fatal(err)
	}
	var again connector.Config
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if after := connector.NewConnector(again).Config(); after.String() != inForce.String() || after.AcquireTimeout != connector.None {
		t.Errorf("got  %v\nwant %v", after, inForce)
	}
}

// standIn is what the libraries of YAML look for, and how they call it.
func standInYAML(cfg *connector.Config, decoded map[string]any, fails error) error {
	type unmarshaler interface{ UnmarshalYAML(func(any) error) error }
	return unmarshaler(cfg).UnmarshalYAML(func(into any) error {
		if fails != nil {
			return fails
		}
		reflect.ValueOf(into).Elem().Set(reflect.ValueOf(decoded))
		return nil
	})
}

func TestYAMLIsReadAndWrittenAsJSONIs(t *testing.T) {
	cfg := full(t)
	written, err := cfg.MarshalYAML()
	if err != nil {
		t.Fatal(err)
	}
	decoded := written.(map[string]any)
	asJSON, err := json.Marshal(decoded)
	var theirs, ours map[string]any
	if err != nil || json.Unmarshal(asJSON, &theirs) != nil || json.Unmarshal([]byte(fullJSON), &ours) != nil || !reflect.DeepEqual(theirs, ours) {
		t.Errorf("%v: %s", err, asJSON)
	}
	for name, v := range decoded { // lists come back from a decoder as lists of anything
		if list, ok := v.([]string); ok {
			decoded[name] = []any{list[0], list[1]}
		}
	}
	var got connector.Config
	if err := standInYAML(&got, decoded, nil); err != nil || !reflect.DeepEqual(got, cfg) {
		t.Errorf("%v\ngot  %v\nwant %v", err, got, cfg)
	}
	err = standInYAML(&got, map[string]any{"max_conns": int64(4), "min_conns": uint64(2), "max_dials": 3.0, "leak_stacks": false, "name": nil}, nil)
	if err != nil || got.MaxConns != 4 || got.MinConns != 2 || got.MaxDials != 3 || got.LeakStacks || got.Name != "shop floor" {
		t.Errorf("%v: %v", err, got)
	}
	err = standInYAML(&got, map[string]any{"max_conn": 1, "acquire_timeout": 5, "name": 7, "prewarm": []any{1}, "max_dials": 2.5}, nil)
	for _, want := range []string{"did you mean max_conns", "acquire_timeout: want", "name: want a text", "prewarm: want", "max_dials: want"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if err := standInYAML(&got, nil, errors.New("cannot unmarshal `s3cr3t`")); err == nil || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("%v", err)
	}
	if _, err := (connector.Config{MaxConns: -1}).MarshalYAML(); err == nil {
		t.Error("what is not valid is written")
	}
}

func TestAllThatIsWrongInJSONIsToldAtOnceAndNothingIsChanged(t *testing.T) {
	cfg := connector.Config{MaxConns: 5, Name: "before"}
	err := json.Unmarshal([]byte(`{"name": "after", "maxConns": 3, "max_conns": "s3cr3t", "acquire_timeout": 30, "acquire_timeout": "1s",
		"leak_stacks": "s3cr3t", "observer": {}, "conn_config": "s3cr3t", "reset_query": 5, "prewarm": ["select", " "], "max_dials": 0,
		"connect_timeout": "none", "statement_timeout": "1us", "pool_max_waiting": 1, "postgres://app:s3cr3t@localhost": 1, "high_reserve": -1,
		"max_cancels": 1025, "aging_share": 1, "max_waiting": {"a": "s3cr3t"}, "pgbouncer": "s3cr3t"}`), &cfg)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"maxConns: there is no such field; did you mean max_conns?", "max_conns: want a whole number of 1 or more",
		"acquire_timeout: want a duration", "acquire_timeout: is there twice", "leak_stacks: want true or false",
		"observer: only a program can set it", "conn_config: only a program can set it", "reset_query: want a statement",
		"prewarm: want statements", "max_dials: want a whole number of 1 or more", "connect_timeout: want a duration",
		"statement_timeout: want a duration with its unit, such as 30s or 1h30m, or 0",
		"pool_max_waiting: there is no such field; did you mean max_waiting?", "there is a field whose name has more in it",
		"high_reserve: want a whole number of 0 or more", "max_cancels: want a whole number from 1 to 1024",
		"aging_share: want a whole number of 2 or more, or -1", "max_waiting: want", "pgbouncer: want session",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "s3cr3t") || strings.Contains(err.Error(), "none for") && strings.Contains(err.Error(), "connect_timeout: want a duration with its unit, such as 30s or 1h30m, or none") {
		t.Errorf("the error says too much:\n%v", err)
	}
	if cfg.Name != "before" || cfg.MaxConns != 5 {
		t.Errorf("it has changed %v", cfg)
	}
	for _, text := range []string{"", "[]", `"s3cr3t"`, "5", "{", `{"name"`, `{"name": s3cr3t}`, `{"name": "a"} s3cr3t`, `{"name": "a",}`, "{]"} {
		if err := cfg.UnmarshalJSON([]byte(text)); err == nil || strings.Contains(err.Error(), "s3cr3t") || cfg.Name != "before" {
			t.Errorf("%s: %v, %v", text, err, cfg)
		}
	}
	if err := json.Unmarshal([]byte(`{"max_conns": 8, "name": null}`), &cfg); err != nil || cfg.Name != "before" || cfg.MaxConns != 8 {
		t.Errorf("laid over: %v, %v", err, cfg)
	}
	if err := json.Unmarshal([]byte(`null`), &cfg); err != nil || cfg.MaxConns != 8 {
		t.Errorf("null: %v, %v", err, cfg)
	}
}

func TestWritingLeavesOutPasswordsAndHooksAndFailsForWhatTextCannotSay(t *testing.T) {
	cfg := connector.Config{
		DSN: "postgres://app:s3cr3t@localhost/shop?sslpassword=s3cr3t&sslmode=disable", PgBouncer: connector.PoolSession,
		PgBouncerConsole: "password=s3cr3t", AfterConnect: func(context.Context, *pgx.Conn) error { return nil },
		Observer: lifecycle.ObserverFunc(func(lifecycle.Event) {}),
	}
	text, err := json.Marshal(cfg)
	const want = `{"dsn":"postgres://app@localhost/shop?sslmode=disable","pgbouncer":"session","pgbouncer_console":"postgres://"}`
	if err != nil || string(text) != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, text, want)
	}
	cc, err := pgx.ParseConfig("host=localhost password=s3cr3t")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		cfg  connector.Config
		want string
	}{
		{connector.Config{ConnConfig: cc}, "ConnConfig is set, and only a program can say what it is"},
		{connector.Config{Connector: &nilConnector{}}, "Connector is set, and only a program"},
		{connector.Config{DSN: "host=localhost password='s3cr3t"}, "DSN does not parse: the quotation mark"},
		{connector.Config{DSN: "host=localhost password=a s3cr3t=b"}, "DSN: its parameter 3 is neither"},
		{connector.Config{DSN: "host= password=s3cr3t"}, "DSN: its parameter 1 has more in it"},
		{connector.Config{DSN: "postgres://app:1/s3cr3t@localhost"}, "DSN: it may be meant in another way"},
		{connector.Config{DSN: "host=localhost pool_s3cr3t=b"}, "DSN: its parameter 2 is neither"},
		{connector.Config{MaxConns: -3, MinConns: -4}, "MaxConns is -3: must not be negative\nMinConns is -4"},
		{connector.Config{AcquireTimeout: -time.Second}, "AcquireTimeout is -1s"},
		{connector.Config{Name: "\xff"}, "Name is not UTF-8"},
		{connector.Config{Prewarm: []string{"select", "\xff"}}, "Prewarm is not UTF-8"},
		{connector.Config{PgBouncer: 77}, "PgBouncer: want session, transaction or statement"},
	} {
		text, err := json.Marshal(c.cfg)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%v is written as %s, %v; want %q", c.cfg, text, err, c.want)
		}
	}
}
