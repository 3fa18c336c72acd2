// Package grafana has the types of a Grafana dashboard as JSON, as far as poolsql's dashboard goes.
//
// Grafana's own Go types, those of its foundation SDK, are a module that the Go proxy may refuse to serve, and a
// repository whose generated files cannot be made again is worth little. So the types are these few, and what they write
// is held against the types that Grafana publishes for TypeScript: see the command in the folder schema.
package grafana
