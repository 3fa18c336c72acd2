package poolotel

import (
	"fmt"
	"math"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/lifecycle"
)

// alone returns what a Producer keeps of one pool that is never connected, and its registration.
func alone(t *testing.T, cfg connector.Config, opts ...Option) (*connector.Connector, *Producer, *Registration) {
	t.Helper()
	if cfg.DSN == "" {
		cfg.DSN = "postgres://app@db.example/shop"
	}
	pool := connector.NewConnector(cfg)
	t.Cleanup(func() { pool.Close() })
	p := NewProducer()
	r, err := Register(pool, append(opts, WithProducer(p))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Unregister() })
	return pool, p, r
}

// values returns the value of each series of p, by name and what the pool's attributes do not have.
func values(t *testing.T, p *Producer) map[string]float64 {
	t.Helper()
	scopes, err := p.Produce(t.Context())
	if err != nil || len(scopes) != 1 {
		t.Fatalf("%d scopes, %v", len(scopes), err)
	}
	all := make(map[string]float64)
	for _, m := range scopes[0].Metrics {
		add := func(attrs attribute.Set, value float64) {
			name := m.Name
			for _, kv := range attrs.ToSlice() {
				if kv.Key != keyPool {
					name += " " + kv.Value.String()
				}
			}
			all[name] = value
		}
		switch data := m.Data.(type) {
		case metricdata.Sum[int64]:
			for _, d := range data.DataPoints {
				add(d.Attributes, float64(d.Value))
			}
			if counter := instrumentOf(m.Name) == Counter; data.IsMonotonic != counter {
				t.Errorf("%s is monotonic: %v", m.Name, data.IsMonotonic)
			}
		case metricdata.Sum[float64]:
			for _, d := range data.DataPoints {
				add(d.Attributes, d.Value)
			}
		case metricdata.Gauge[int64]:
			for _, d := range data.DataPoints {
				add(d.Attributes, float64(d.Value))
			}
		}
	}
	return all
}

func instrumentOf(name string) Kind {
	for _, m := range catalogue {
		if m.Name == name {
			return m.Kind
		}
	}
	return 0
}

func TestWhatHappensSeldomIsCounted(t *testing.T) {
	pool, p, _ := alone(t, connector.Config{MaxConns: 8, MinConns: 2, HighReserve: 3})
	if _, judged := values(t, p)["poolsql.health.score"]; judged {
		t.Error("a health that nobody judged has a score")
	}
	for _, e := range []lifecycle.Event{
		{Kind: lifecycle.KindRetry}, {Kind: lifecycle.KindRetry}, {Kind: lifecycle.KindNested},
		{Kind: lifecycle.KindCancel}, {Kind: lifecycle.KindCancel}, {Kind: lifecycle.KindCancel},
		{Kind: lifecycle.KindCancel, Code: "failed"}, {Kind: lifecycle.KindHealthCheck, Count: 250},
	} {
		pool.Tell(e)
	}
	expect := func(want map[string]float64) {
		t.Helper()
		got := values(t, p)
		for name, v := range want {
			if x, ok := got[name]; !ok || x != v {
				t.Errorf("%s is %v (%v), want %v", name, x, ok, v)
			}
		}
	}
	expect(map[string]float64{
		"poolsql.retries": 2, "poolsql.nested": 1, "poolsql.cancels ok": 3, "poolsql.cancels error": 1,
		"poolsql.health.score": 100, "poolsql.reserve": 3, "poolsql.limit": 8, "poolsql.suspended": 0,
		"db.client.connection.max": 8, "db.client.connection.idle.max": 8, "db.client.connection.idle.min": 2,
	})
	pool.Suspend()
	pool.Tell(lifecycle.Event{Kind: lifecycle.KindHealthCheck, Count: -1})
	expect(map[string]float64{"poolsql.limit": 0, "poolsql.suspended": 1, "poolsql.health.score": 0})
}

func TestACounterDoesNotShrinkWhenAnOperationUnderWayFails(t *testing.T) {
	var s source
	for _, c := range []struct {
		queries, errors uint64
		want            int64
	}{{5, 1, 4}, {5, 2, 4}, {4, 2, 4}, {7, 2, 5}} {
		if got := s.succeeded(&connector.Stats{QueryCount: c.queries, ErrorCount: c.errors}); got != c.want {
			t.Errorf("of %d operations %d failed: %d did not, want %d", c.queries, c.errors, got, c.want)
		}
	}
}

func TestAfterUnregisterNobodyListens(t *testing.T) {
	pool, p, r := alone(t, connector.Config{})
	gone := p.sources[0].recorder
	if err := r.Unregister(); err != nil {
		t.Fatal(err)
	}
	pool.Tell(lifecycle.Event{Kind: lifecycle.KindRetry})
	if n := gone.retries.Load(); n != 0 {
		t.Errorf("it was told of %d retries", n)
	}
}

func TestOperationsTellWhatTheyRanOn(t *testing.T) {
	for _, c := range []struct{ dsn, want string }{
		{"postgres://app@db.example/shop", "db.example shop postgresql"},
		{"postgres://app@db.example:6432/shop", "6432 db.example shop postgresql"},
		{"postgres://app@db.example/", "db.example app postgresql"},
		{"postgres://app@one,two/shop", "shop postgresql"},
		{"host=/var/run/pg user=app dbname=shop", "/var/run/pg shop postgresql"},
	} {
		pool := connector.NewConnector(connector.Config{DSN: c.dsn})
		if err := pool.Err(); err != nil {
			t.Fatal(err)
		}
		settings := pool.Config()
		got := map[string]string{}
		for _, kv := range serverOf(&settings) {
			got[string(kv.Key)] = kv.Value.String()
		}
		text := ""
		for _, key := range []string{keyPort, keyAddress, keyNamespace, keySystem} {
			if v, ok := got[key]; ok {
				text += " " + v
			}
		}
		if text != " "+c.want {
			t.Errorf("%s:%s, want %s", c.dsn, text, c.want)
		}
	}
}

// What the user says of the server wins; what tells series apart does not yield.
func TestAttributesOfTheUser(t *testing.T) {
	pool, _, _ := alone(t, connector.Config{Name: "app"})
	c := newConfig([]Option{WithAttributes(
		attribute.String(keySystem, "cockroachdb"), attribute.String(keyPool, "mine"), attribute.String("role", "re\x00ad"),
	)})
	attrs := attributesOf(pool, &c)
	set := attrs.ofLabel("checkout")
	for key, want := range map[attribute.Key]string{
		keySystem: "cockroachdb", keyPool: "app", "role": "re\uFFFDad", keySummary: "checkout", keyNamespace: "shop",
	} {
		if got, _ := set.Value(key); got.AsString() != want {
			t.Errorf("%s is %q, want %q", key, got.AsString(), want)
		}
	}
}

func TestBucketsAreSortedAndWhatIsNoneIsLeftOut(t *testing.T) {
	c := newConfig([]Option{WithBuckets(1, 0.5, math.NaN(), -1, 0, 1, math.Inf(1))})
	if got := fmt.Sprint(boundsOf(idConnWaitTime, &c)); got != "[0.5 1]" {
		t.Errorf("the buckets are %s", got)
	}
	if got := boundsOf(idOpRows, &c); len(got) != len(rowBounds) {
		t.Errorf("rows have the buckets %v", got)
	}
	if got := boundsOf(idTemplateAcquireDuration, &c); len(got) != len(templateAcquireBounds) {
		t.Errorf("the template has the buckets %v", got)
	}
}
