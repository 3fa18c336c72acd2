package rules

import (
	"fmt"
	"strings"
	"time"
)

const (
	pool = "db_client_connection_pool_name"
	// local is one pool of one process, common the same pool of all processes of an application.
	local  = "job, instance, " + pool
	common = "job, " + pool
)

// sum adds up, apart for each combination of the labels.
func sum(by, of string) string { return fmt.Sprintf("sum by (%s) (%s)", by, of) }

// over is a function of the samples of a window.
func (s Scale) over(function, series string, window time.Duration) string {
	return fmt.Sprintf("%s(%s[%s])", function, series, s.of(window))
}

// rate is how much a counter grows in a second, increase how much it grew in the window.
func (s Scale) rate(series string, window time.Duration) string {
	return s.over("rate", series, window)
}

func (s Scale) increase(series string, window time.Duration) string {
	return s.over("increase", series, window)
}

// all joins conditions that must hold of the same labels.
func all(conditions ...string) string { return strings.Join(conditions, "\nand\n") }
