package main

import (
	"net"
	"slices"
	"strings"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/connector"
)

// underMeasure returns the pool that is measured: as the parameters of the DSN want it, so that what they cost each call is
// in the measure (a query that resets, PgBouncer), but for what the ladder decides, or what it could not work with.
func underMeasure(cfg poolsql.Config, readOnly bool, observer poolsql.Observer) poolsql.Config {
	cfg.Name, cfg.Observer = "tune", observer
	cfg.MinConns, cfg.MaxConns = 1, 1 // from where it is resized
	// Of a small pool, each caller waits for all others; and all are of one class.
	cfg.AcquireTimeout, cfg.MaxWaiting, cfg.HighReserve = poolsql.None, 0, 0
	if readOnly && takes(cfg, readOnlyParam) {
		cfg.ConnConfig.RuntimeParams[readOnlyParam] = "on"
	}
	return cfg
}

// readOnlyParam makes the server refuse what writes.
const readOnlyParam = "default_transaction_read_only"

// takes reports whether a start-up parameter can be sent. Where it cannot, requireReadOnly finds out whether the role has the
// setting for its own.
func takes(cfg poolsql.Config, param string) bool {
	return cfg.PgBouncer < connector.PoolTransaction || slices.Contains(cfg.PgBouncerParams, param)
}

// isHere reports whether a host is known to be this machine.
func isHere(host string) bool {
	if strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
