package connector

import "time"

// PgBouncerStats are what PgBouncer's console said of the pools of this database, those of all users and programs together.
type PgBouncerStats struct {
	// At is when it was asked, Up whether it answered. If it did not, the rest is zero.
	At time.Time
	Up bool
	// ClientsActive are connections to PgBouncer that have a server's or need none, ClientsWaiting those that wait for one, and
	// MaxWait is for how long the first of these has waited.
	ClientsActive, ClientsWaiting int64
	MaxWait                       time.Duration
	// ServersActive are connections to the server that a client has, ServersIdle those that any may have, ServersOther those that
	// are being opened, closed or tested.
	ServersActive, ServersIdle, ServersOther int64
}

// NotePgBouncer has [Connector.Stats] tell what PgBouncer's console said, and so the metrics. A health.Monitor with a console calls it.
// It is kept until the next.
func (c *Connector) NotePgBouncer(s PgBouncerStats) { c.console.Store(&s) }
