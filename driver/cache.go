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

// put keeps p, which sql did not have, and returns what had to go for it, nil if nothing.
func (c *stmtCache) put(sql string, p *prepared) *prepared {
	if c.entries == nil {
		c.entries = make(map[string]*list.Element)
	}
	p.sql = sql
	c.entries[sql] = c.order.PushFront(p)
	if len(c.entries) <= c.capacity {
		c.size.Store(int64(len(c.entries)))
		return nil
	}
	last := c.order.Back().Value.(*prepared)
	c.drop(last.sql)
	c.evictions.Add(1)
	return last
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
