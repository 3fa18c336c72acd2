package connector

import (
	"strings"

	"github.com/poolsql/poolsql/lifecycle"
)

// maxCostText is how long a statement may be that tells calls apart. What is longer is written by a program, and holds data.
const maxCostText = 8 << 10

// identify says by what the call is known where it is learned what calls take, and has the server asked what it will
// take if that is not known.
func (c *Connector) identify(req *lifecycle.Request) {
	cfg := c.current.Load().cfg
	if !cfg.CostByStatement && !cfg.CostFromPlan {
		if req.Statement != "" {
			req.Statement = "" // of an earlier call of the session
		}
		return
	}
	req.Statement = ""
	if cfg.CostByStatement && req.Label == "" && len(req.Detail) <= maxCostText && !begins(req.Detail) {
		req.Statement = req.Detail
	}
	if cfg.CostFromPlan {
		c.plans.see(req)
	}
}

// begins reports whether a statement is the BEGIN of a transaction, which says nothing of what follows.
func begins(text string) bool {
	const begin = "begin"
	return len(text) >= len(begin) && strings.EqualFold(text[:len(begin)], begin)
}
