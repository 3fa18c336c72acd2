package connector

import (
	"time"

	"github.com/poolsql/poolsql/internal/sqltext"
	"github.com/poolsql/poolsql/priority"
)

// WaiterInfo is what is known of one caller who waits for a connection.
type WaiterInfo struct {
	Class         priority.Class
	Label, Tenant string
	// Query is the text of the statement that it waits with, its literals replaced by question marks. It is empty for a
	// transaction that begins.
	Query string
	// Waited is for how long it has waited.
	Waited time.Duration
}

// Waiters returns who waits at the instant, who has waited longest first, and no more than limit of them. It looks under
// the pool's lock at as many as it returns, so limit should be what a person reads; Stats counts them all.
func (c *Connector) Waiters(limit int) []WaiterInfo {
	if c.Err() != nil {
		return nil
	}
	waiting := c.pool.Waiters(limit)
	if len(waiting) == 0 {
		return nil
	}
	infos := make([]WaiterInfo, len(waiting))
	for i, w := range waiting {
		infos[i] = WaiterInfo{
			Class: w.Class, Label: w.Label, Tenant: w.Tenant, Query: sqltext.Strip(w.Detail), Waited: w.Waited,
		}
	}
	return infos
}
