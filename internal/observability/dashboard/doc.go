// Package dashboard makes poolsql's Grafana dashboard.
//
// Each file beside this one is a row of it, or two. The expressions name metrics as they are in a scrape; a test holds them
// against poolotel.Catalogue, and another asks them of a real Prometheus.
package dashboard
