// Package observability holds the sources of what watches a pool from outside, and its tests: the Grafana dashboard and
// the rules of Prometheus are made by typed code in the folders beside this file, and written to otel/grafana and
// otel/prometheus.
//
//	go generate ./internal/observability
//
// The tests here run a real Prometheus against pools under load and in trouble. They need the programs prometheus and
// promtool; the schema of Grafana is looked at by the command in the folder schema, which needs npm.
package observability

//go:generate go run ./generate
