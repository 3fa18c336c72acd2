package connector

import pooldriver "github.com/poolsql/poolsql/driver"

// Coalescing returns the numbers of the reads that share executions. Most of them are in [Stats] too.
func (c *Connector) Coalescing() pooldriver.CoalescerStats {
	if c.Err() != nil {
		return pooldriver.CoalescerStats{}
	}
	return c.current.Load().opts.Coalescer.Stats()
}
