package poolotel_test

import (
	"log"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/poolsql/poolsql/connector"
	poolotel "github.com/poolsql/poolsql/otel"
)

// Two pools and the program's own metrics on one page, with series of one's own choice.
func ExampleNewHandler() {
	orders := connector.NewConnector(connector.Config{Name: "orders", DSN: "postgres://app@db.example/orders"})
	defer orders.Close()
	reports := connector.NewConnector(connector.Config{Name: "reports", DSN: "postgres://app@db.example/reports"})
	defer reports.Close()
	h, err := poolotel.NewHandler([]*connector.Connector{orders, reports},
		poolotel.WithGatherer(prometheus.DefaultGatherer),
		poolotel.WithAttributes(attribute.String("service.name", "shop")),
		poolotel.WithMaxTenants(5), poolotel.WithMaxErrorSeries(20),
		poolotel.WithBuckets(0.001, 0.01, 0.1, 1, 10),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	http.Handle("/metrics", h)
}

// A pool whose metrics go where the program's other metrics go, under another name, and once more under the names that older
// dashboards have.
func ExampleRegister_provider() {
	pool := connector.NewConnector(connector.Config{DSN: "postgres://app@db.example/shop"})
	defer pool.Close()
	provider := sdkmetric.NewMeterProvider()
	registration, err := poolotel.Register(pool, poolotel.WithMeterProvider(provider), poolotel.WithPoolName("shop-eu"), poolotel.WithTemplateNames())
	if err != nil {
		log.Fatal(err)
	}
	defer registration.Unregister()
}

// Spans only inside the traces of requests, with the statement's text, whose literals are taken out.
func ExampleNewTracer_options() {
	cfg := connector.Config{DSN: "postgres://app@db.example/shop"}
	cfg.Tracer = poolotel.NewTracer(
		poolotel.WithTracerProvider(sdktrace.NewTracerProvider()),
		poolotel.WithServerOf(cfg), poolotel.WithQueryText(), poolotel.WithinTraces(),
		poolotel.WithSpanAttributes(attribute.String("service.version", "1.2")),
	)
}

// Comments that tell the server's log the team and, where statements are not kept by their text, the tenant.
func ExampleComments_options() {
	cfg := connector.Config{DSN: "postgres://app@db.example/shop"}
	cfg.Comment = poolotel.Comments(
		poolotel.WithCommentApplication("shop"), poolotel.WithCommentTag("team", "checkout"),
		poolotel.WithCommentLabels(20), poolotel.WithCommentTenants(),
	)
}
