// Package prometheus runs a real Prometheus for the tests, and its promtool. Both come from the system's package: a test
// without them fails and says how to get them.
package prometheus
