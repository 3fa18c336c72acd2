package connector_test

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/dsn"
)

// marker is in each secret of these tests, and in nothing else.
const marker = "hunter2Zq9"

// bareEnvironment takes from the process what pgx would read beside a DSN.
func bareEnvironment(f *testing.F) {
	f.Setenv("HOME", f.TempDir())
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "PG") {
			f.Setenv(name, "")
			if err := os.Unsetenv(name); err != nil {
				f.Fatal(err)
			}
		}
	}
}

// FuzzDSN looks for a DSN with a password that is printed or told in an error, and for one that says something else when
// it was written and read, or taken apart by SetDSN.
func FuzzDSN(f *testing.F) {
	bareEnvironment(f)
	f.Add("postgres://app:", "@localhost:5432/shop?sslmode=disable&pool_max_conns=5")
	f.Add("postgres://app@localhost/shop?password=", "&pool_acquire_timeout=none")
	f.Add("host=localhost password='", "' port=5432 pool_statement_timeout=5s")
	f.Add("host= password=", " pool_min_conns=x pool_maxconns=2")
	f.Add("postgres://app:pass/", "@[::1]:1,h2/shop?target_session_attrs=x")
	f.Add("postgres://00:0000/", "")
	f.Add("host=localhost password=x ", "=y")
	f.Add("postgres://", "@")
	f.Add("sslpassword=", " sslmode=x pool_name=a pool_prewarm='select 1'")
	f.Fuzz(func(t *testing.T, before, after string) {
		cfg := connector.Config{DSN: before + marker + after, MaxDials: -1}
		texts := printed(cfg)
		if err := cfg.Validate(); err == nil {
			t.Fatal("a negative MaxDials is valid")
		} else {
			texts = append(texts, err.Error(), fmt.Sprintf("%#v", err))
		}
		set := connector.Config{MaxDials: 1}
		if err := set.SetDSN(cfg.DSN); err != nil {
			texts = append(texts, err.Error(), fmt.Sprintf("%#v", err))
		} else {
			texts = append(texts, printed(set)...)
		}
		if !saidElsewhere(cfg.DSN) {
			for _, text := range texts {
				if strings.Contains(text, marker) {
					t.Fatalf("%q: %s", cfg.DSN, text)
				}
			}
		}
		cfg.MaxDials = 0
		sameByEitherWay(t, cfg)
		sameWhenRead(t, cfg)
	})
}

// saidElsewhere reports whether the marker is in something that is no secret, and that nobody can have meant as one.
func saidElsewhere(text string) bool {
	if strings.Count(text, marker) != 1 {
		return true
	}
	d, err := dsn.Parse(text)
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(text, marker)
	for _, p := range d.Params() {
		if !strings.Contains(p.Key+p.Value, marker) {
			continue
		}
		// "host= password=x" and "postgres://app:pass/word@host" are not what they seem.
		isUser := p.Key == "user" && strings.LastIndex(after, "@") == 0
		meant := !strings.Contains(p.Value, "=") && (isUser || !strings.Contains(after, "@"))
		return dsn.IsPool(p.Key) || dsn.Known(p.Key) && !dsn.Secret(p.Key) && meant
	}
	return true // spaces, or a part that counts for nothing
}

// sameByEitherWay fails the test if a pool is another one when its DSN was taken apart by SetDSN.
func sameByEitherWay(t *testing.T, cfg connector.Config) {
	c := connector.NewConnector(cfg)
	if c.Err() != nil {
		return
	}
	var set connector.Config
	if err := set.SetDSN(cfg.DSN); err != nil {
		t.Fatalf("%q: %v", cfg.DSN, err)
	}
	other := connector.NewConnector(set)
	if err := other.Err(); err != nil {
		t.Fatalf("%q, without its parameters %q: %v", cfg.DSN, set.DSN, err)
	}
	a, b := c.Config(), other.Config()
	if a.ConnConfig.Password != b.ConnConfig.Password || !reflect.DeepEqual(a.ConnConfig.RuntimeParams, b.ConnConfig.RuntimeParams) {
		t.Errorf("%q, without its parameters %q, means something else to pgx", cfg.DSN, set.DSN)
	}
	a.DSN, b.DSN = "", ""
	if a.String() != b.String() {
		t.Errorf("%q is %v, and by SetDSN %v", cfg.DSN, a, b)
	}
	for key := range a.ConnConfig.RuntimeParams {
		if strings.HasPrefix(strings.ToLower(key), "pool_") {
			t.Errorf("%q: %q would be sent to the server", cfg.DSN, key)
		}
	}
}

// sameWhenRead fails the test if cfg can be written, and what is read then is something else.
func sameWhenRead(t *testing.T, cfg connector.Config) {
	text, err := json.Marshal(cfg)
	if err != nil {
		return
	}
	var got connector.Config
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%s cannot be read: %v", text, err)
	}
	again, err := json.Marshal(got)
	if err != nil || string(again) != string(text) {
		t.Errorf("%s is written the second time as %s, %v", text, again, err)
	}
	// But for the passwords it is what it was.
	got.DSN, cfg.DSN = "", ""
	if !reflect.DeepEqual(got, cfg) {
		t.Errorf("%s is read as %v, and was %v", text, got, cfg)
	}
}

// FuzzText looks for text on which reading panics, for a value that an error holds, and for one that is another when it
// was written.
func FuzzText(f *testing.F) {
	f.Add([]byte(fullJSON), "")
	f.Add([]byte(`{"max_conns": 5, "acquire_timeout": "none", "prewarm": ["a", "b"], "leak_stacks": true}`), "select")
	f.Add([]byte(`{"max_conns": 5, "max_conns": "`+marker+`", "`+marker+`": 1}`), "")
	f.Add([]byte(`{"dsn": "postgres://app:`+marker+`@h"`), "-1ns")
	f.Add([]byte(`null`), "1e9")
	f.Add([]byte(`{"acquire_timeout": "none", "prewarm": []}`), "")
	f.Fuzz(func(t *testing.T, text []byte, value string) {
		var cfg connector.Config
		if err := cfg.UnmarshalJSON(text); err == nil {
			sameWhenRead(t, cfg)
		} else if strings.Contains(err.Error(), marker) && !isNamed(text) {
			t.Errorf("%s: %v", text, err)
		}
		for _, c := range inText {
			for _, v := range []any{value, marker + value, 7, 0.5, true, []any{value}, nil} {
				var cfg connector.Config
				err := standInYAML(&cfg, map[string]any{c.name: v}, nil)
				if err != nil && strings.Contains(err.Error(), marker) {
					t.Errorf("%s: %v", c.name, err)
				}
				if err == nil {
					sameWhenRead(t, cfg)
				}
			}
		}
	})
}

// isNamed reports whether the marker is in a name of a JSON object.
func isNamed(text []byte) bool {
	var members map[string]any
	_ = json.Unmarshal(text, &members)
	for name := range members {
		if strings.Contains(name, marker) {
			return true
		}
	}
	return false
}

// FuzzFields looks for a configuration that a program made and that is another when it was written and read.
func FuzzFields(f *testing.F) {
	f.Add("shop", "host=h", "select 1", "discard all", 5, int64(time.Second), int64(-1), -1, true)
	f.Add("\xff", "postgres://u:p@h/d?search_path=a", "", " ", 0, int64(1), int64(1<<62), 1, false)
	f.Fuzz(func(t *testing.T, name, source, prewarm, reset string, n int, d, none int64, share int, yes bool) {
		cfg := connector.Config{
			Name: name, DSN: source, ResetQuery: reset, MaxConns: n, MaxWaiting: n, MaxCancels: n % 1024, AgingShare: share,
			MaxConnLifetime: time.Duration(none), MaxConnLifetimeJitter: time.Duration(d), ConnectTimeout: time.Duration(d),
			StatementTimeout: time.Duration(d), AcquireTimeout: time.Duration(none), LeakStacks: yes, PgBouncer: connector.PoolMode(n),
		}
		if prewarm != "" {
			cfg.Prewarm = []string{prewarm, reset}
		}
		printed(cfg)
		sameWhenRead(t, cfg)
		cfg.DSN = ""
		if _, err := json.Marshal(cfg); err == nil && n < 0 {
			t.Errorf("%v is written, and not valid", cfg)
		}
	})
}
