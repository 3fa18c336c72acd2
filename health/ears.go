package health

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// ears hear of what the pool's counters do not tell: how long those waited who got nothing, which of the errors are the
// database's, and what was leaked. All of that is rare; lendings, which are not, are the queueEars' affair.
type ears struct {
	waits waits
	// failed counts operations that failed for want of the server or of the connection, ranOut those that ran out of time.
	failed, ranOut atomic.Uint64
	// draining and closed say that the pool takes no new work.
	draining, closed atomic.Bool

	// mu guards leaked, which is by the connection's id when its holder had held it for too long.
	mu     sync.Mutex
	leaked map[uint64]time.Time
}

func (e *ears) init() { e.leaked = make(map[uint64]time.Time) }

// Wants implements [lifecycle.Selective].
func (e *ears) Wants(k lifecycle.Kind) bool {
	switch k {
	case lifecycle.KindTimeout, lifecycle.KindError, lifecycle.KindLeak, lifecycle.KindDrainStarted, lifecycle.KindClosed:
		return true
	default:
		return false
	}
}

// Observe implements [lifecycle.Observer].
func (e *ears) Observe(event lifecycle.Event) {
	switch event.Kind {
	case lifecycle.KindTimeout:
		if event.Label != probeLabel {
			e.waits.add(event.Wait)
		}
	case lifecycle.KindError:
		switch {
		case event.Label == probeLabel:
		case event.Code == codeTimeout:
			e.ranOut.Add(1)
		case isFailure(event.Code):
			e.failed.Add(1)
		}
	case lifecycle.KindLeak:
		e.mu.Lock()
		e.leaked[event.Resource] = time.Now()
		e.mu.Unlock()
	case lifecycle.KindDrainStarted:
		e.draining.Store(true)
	case lifecycle.KindClosed:
		e.closed.Store(true)
	}
}

// counts reports whether a refusal speaks against the pool or the database. Who leaves the queue by himself does not, nor does
// who is sent away by an operator, nor a tenant that has more calls waiting than it may, while others are served.
func counts(r priority.Reason) bool {
	switch r {
	case priority.Timeout, priority.Deadline, priority.QueueFull, priority.Evicted, priority.Unavailable, priority.Deadlock,
		priority.Shed, priority.TooLate:
		return true
	default:
		return false
	}
}

// codeTimeout is the code of an operation for which a limit, or its caller's deadline, ran out. That may be the database's doing;
// where callers have deadlines it is most often the queue's, which left them no time. So it counts as being turned away does,
// and the database is asked.
const codeTimeout = "timeout"

// isFailure reports whether an operation that failed with this code says something of the server or the way to it. Most
// SQLSTATEs say something of the statement, and that the server is well enough to find fault with it.
func isFailure(code string) bool {
	switch {
	case code == "other": // the connection was lost
		return true
	case code == "25006": // the server is not the primary any more
		return true
	case code == "57014": // somebody canceled the statement
		return false
	case len(code) != 5:
		return false
	}
	for _, class := range [...]string{"08", "53", "57", "58", "XX"} {
		if strings.HasPrefix(code, class) {
			return true
		}
	}
	return false
}

// leaks returns how many of the leaked connections are held still. held are those in use, by their ids, and since when.
func (e *ears) leaks(held map[uint64]time.Time) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, told := range e.leaked {
		if since, ok := held[id]; !ok || since.After(told) {
			delete(e.leaked, id)
		}
	}
	return len(e.leaked)
}
