package connector

import (
	"database/sql"
	"sync"
	"weak"
)

// dbs are the *sql.DBs of which a connector knows that they are on it. The zero value knows none. Safe for concurrent use.
type dbs struct {
	mu sync.Mutex
	// guarded by mu

	known []weak.Pointer[sql.DB] // so that none is kept that its program has forgotten
}

// add makes db known.
func (d *dbs) add(db *sql.DB) {
	added := weak.Make(db)
	d.mu.Lock()
	defer d.mu.Unlock()
	live := d.known[:0]
	for _, p := range d.known {
		if p != added && p.Value() != nil {
			live = append(live, p)
		}
	}
	clear(d.known[len(live):])
	d.known = append(live, added)
}

// list returns those that are still there.
func (d *dbs) list() []*sql.DB {
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []*sql.DB
	for _, p := range d.known {
		if db := p.Value(); db != nil {
			all = append(all, db)
		}
	}
	return all
}

// SessionLimit returns what SetMaxOpenConns was called with on a *sql.DB on c, the smallest if there are several; 0 is none,
// and should be: see [FromDB]. It knows of those that [Open] returned and that FromDB was asked for. Safe for concurrent use.
func (c *Connector) SessionLimit() int {
	limit := 0
	for _, db := range c.dbs.list() {
		// Outside of our lock: database/sql has one of its own.
		if n := db.Stats().MaxOpenConnections; n > 0 && (limit == 0 || n < limit) {
			limit = n
		}
	}
	return limit
}
