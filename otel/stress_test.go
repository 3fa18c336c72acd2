package poolotel_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"

	"github.com/poolsql/poolsql/connector"
	poolotel "github.com/poolsql/poolsql/otel"
	"github.com/poolsql/poolsql/priority"
)

// stressTime is how long each stress test runs. POOLSQL_STRESS says it otherwise, as in 10m.
func stressTime(t *testing.T) time.Duration {
	t.Helper()
	s := os.Getenv("POOLSQL_STRESS")
	if s == "" {
		if testing.Short() {
			return 200 * time.Millisecond
		}
		return 2 * time.Second
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatalf("POOLSQL_STRESS: %v", err)
	}
	return d
}

// TestStressRegistrationsComeAndGoUnderLoad has callers work while pools are registered, scraped and unregistered. One
// registration was there first and stays: it must have seen each operation once.
func TestStressRegistrationsComeAndGoUnderLoad(t *testing.T) {
	pool, db := onNoop(t, connector.Config{MaxConns: 4})
	constant := poolotel.NewProducer()
	measured(t, pool, poolotel.WithProducer(constant), poolotel.WithMaxLabels(5), poolotel.WithMaxTenants(3))
	producer := poolotel.NewProducer()
	reader := sdkmetric.NewManualReader()
	ways := []poolotel.Option{poolotel.WithProducer(producer), poolotel.WithMeterProvider(provider(reader))}

	done := make(chan struct{})
	time.AfterFunc(stressTime(t), func() { close(done) })
	running := func() bool {
		select {
		case <-done:
			return false
		default:
			return true
		}
	}
	var operations, registrations atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := 0; running(); n++ {
				ctx := priority.WithLabel(t.Context(), fmt.Sprint("label ", n%9))
				ctx = priority.WithTenant(ctx, fmt.Sprint("tenant ", (n+i)%7))
				if n%3 == 0 {
					ctx = trace.ContextWithSpanContext(ctx, sampledSpan)
				}
				nothing(t, ctx, db)
				operations.Add(1)
			}
		})
	}
	for i, way := range ways {
		for j := range 2 {
			wg.Go(func() {
				name := poolotel.WithPoolName(fmt.Sprint("pool ", i, j))
				for running() {
					r, err := poolotel.Register(pool, way, name, poolotel.WithTemplateNames())
					if err != nil {
						t.Error(err)
						return
					}
					registrations.Add(1)
					if err := r.Unregister(); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	for _, collect := range []func() error{
		func() error { _, err := producer.Produce(context.Background()); return err },
		func() error { _, err := constant.Produce(context.Background()); return err },
		func() error { return reader.Collect(context.Background(), &metricdata.ResourceMetrics{}) },
	} {
		wg.Go(func() {
			for running() {
				if err := collect(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d operations, %d registrations", operations.Load(), registrations.Load())
	if registrations.Load() == 0 {
		t.Error("nobody registered")
	}
	counted(t, constant, uint64(operations.Load()))
	if scopes, err := producer.Produce(t.Context()); err != nil || scopes != nil {
		t.Errorf("all have gone, and there is %v, %v", scopes, err)
	}
}

// counted fails the test unless each histogram of an operation has as many values as there were operations.
func counted(t *testing.T, p *poolotel.Producer, want uint64) {
	t.Helper()
	scopes, err := p.Produce(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	counts := make(map[string]uint64)
	for _, m := range scopes[0].Metrics {
		if h, ok := m.Data.(metricdata.Histogram[float64]); ok {
			for _, point := range h.DataPoints {
				counts[m.Name] += point.Count
			}
		}
	}
	for _, name := range []string{
		"db.client.operation.duration", "db.client.connection.wait_time", "db.client.connection.use_time", "poolsql.queue.wait",
	} {
		if counts[name] != want {
			t.Errorf("%s has %d values of %d operations", name, counts[name], want)
		}
	}
}
