package connector

import (
	"sync"
	"time"

	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/mono"
)

// A watch is the watchdog: it looks at the connections in use from time to time, and has those ended of which nothing can
// be expected any more; see (*pooldriver.Conn).Watch. It is a timer, set as long as there are connections.
type watch struct {
	connector *Connector

	// mu guards timer. Looks do not overlap, and so need none.
	mu    sync.Mutex
	timer *time.Timer // nil while there is nothing to look at

	seen map[uint64]*pooldriver.Watched // by the connection's id
}

// start sees to it that looks are taken, now that there is a connection with a limit that a look could find exceeded.
func (w *watch) start() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil {
		w.timer = time.AfterFunc(pooldriver.WatchInterval, w.look)
	}
}

// look looks at every connection in use.
func (w *watch) look() {
	still := make(map[uint64]*pooldriver.Watched, len(w.seen))
	limited := w.connector.current.Load().limited()
	w.connector.pool.Held(func(id uint64, conn *pooldriver.Conn, epoch uint64, since mono.Time) {
		seen := w.seen[id]
		if seen == nil || seen.Epoch != epoch {
			seen = &pooldriver.Watched{Epoch: epoch}
		}
		conn.Watch(seen, since)
		still[id] = seen
		limited = limited || conn.Limited() // it was opened under another configuration
	})
	w.seen = still
	w.mu.Lock()
	w.timer = nil
	w.mu.Unlock()
	if limited && w.connector.pool.Stats().Total > 0 { // else whoever opens the next starts it again
		w.start()
	}
}
