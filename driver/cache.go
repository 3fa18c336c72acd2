package pooldriver

import (
	"container/list"
	"sync/atomic"
)

// A stmtCache is what one connection has prepared, least recently used last. The connection's holder uses it; hits,
// misses and size may be read by others.
type stmtCache struct {
	capacity int
	entries  map[string]*list.Element // of *prepared, by the statement's text
	order    list.List

	hits, misses, evictions, invalidations atomic.Uint64
	size                                   atomic.Int64
}

// get returns what was prepared for sql, nil if nothing was, and counts.
func (c *stmtCache) get(sql string) *prepared {
	e := c.entries[sql]
	if e == nil {
		c.misses.Add(1)
		return nil
	}
	c.hits.Add(1)
	c.order.MoveToFront(e)
	return e.Value.(*prepared)
}

// put keeps p, which sql did not have. What is surplus then its caller has to close, and to evict.
func (c *stmtCache) put(sql string, p *prepared) {
	if c.entries == nil {
		c.entries = make(map[string]*list.Element)
	}
	p.sql = sql
	c.entries[sql] = c.order.PushFront(p)
	c.size.Store(int64(len(c.entries)))
}

// surplus returns the statement that was used least recently, nil if there is room for all.
func (c *stmtCache) surplus() *prepared {
	if len(c.entries) <= c.capacity {
		return nil
	}
	return c.order.Back().Value.(*prepared)
}

// evict forgets what was surplus.
func (c *stmtCache) evict(p *prepared) {
	c.drop(p.sql)
	c.evictions.Add(1)
}

// drop forgets sql.
func (c *stmtCache) drop(sql string) {
	if e := c.entries[sql]; e != nil {
		c.order.Remove(e)
		delete(c.entries, sql)
	}
	c.size.Store(int64(len(c.entries)))
}

// closeAll closes the statements of an inner driver that has objects for them.
func (c *stmtCache) closeAll() {
	for _, e := range c.entries {
		if p := e.Value.(*prepared); p.inner != nil {
			p.inner.Close()
		}
	}
	clear(c.entries)
	c.order.Init()
	c.size.Store(0)
}
