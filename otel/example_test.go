package poolotel_test

import (
	"fmt"
	"log"
	"net/http"
	"strings"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/poolsql/poolsql/connector"
	poolotel "github.com/poolsql/poolsql/otel"
)

// One line gives /metrics.
func ExampleHandler() {
	pool := connector.NewConnector(connector.Config{DSN: "postgres://app@db.example/shop"})
	defer pool.Close()
	mux := http.NewServeMux()
	mux.Handle("/metrics", poolotel.Handler(pool))
}

// A Producer gives the numbers to whatever reader of OpenTelemetry's SDK there is.
func ExampleProducer() {
	pool := connector.NewConnector(connector.Config{DSN: "postgres://app@db.example/shop"})
	defer pool.Close()
	producer := poolotel.NewProducer()
	reader := sdkmetric.NewManualReader(sdkmetric.WithProducer(producer))
	_ = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	registration, err := poolotel.Register(pool, poolotel.WithProducer(producer), poolotel.WithMaxLabels(20))
	if err != nil {
		log.Fatal(err)
	}
	defer registration.Unregister()
}

func ExampleCatalogue() {
	for _, m := range poolotel.Catalogue() {
		if strings.HasPrefix(m.Name, "db.client.connection.") && m.Kind == poolotel.Histogram {
			fmt.Println(m.Name, m.Unit, m.Prometheus)
		}
	}
	// Output:
	// db.client.connection.create_time s db_client_connection_create_time_seconds
	// db.client.connection.wait_time s db_client_connection_wait_time_seconds
	// db.client.connection.use_time s db_client_connection_use_time_seconds
}
