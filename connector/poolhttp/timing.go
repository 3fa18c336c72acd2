package poolhttp

import (
	"context"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
)

// Spent is where the time of a request went, as far as pools know.
type Spent struct {
	// Queue is how long its calls waited for connections, and DB how long their operations took when they had one, both in
	// sum: of calls side by side it can be more than what has passed.
	Queue, DB time.Duration
	// Operations is how many there were: statements, and the beginnings and ends of transactions.
	Operations int
}

// A tally is a Spent that grows. Safe for concurrent use.
type tally struct {
	queue, db  atomic.Int64
	operations atomic.Int64
	told       atomic.Bool // in the answer's header
}

type tallyKey struct{}

// Track returns a context whose calls are counted, for [SpentOf]. What [New] makes does this where a Server-Timing is wanted; other
// programs may, to log it. The pool has to tell: see [Timings].
func Track(ctx context.Context) context.Context {
	if tallyOf(ctx) != nil {
		return ctx
	}
	return context.WithValue(ctx, tallyKey{}, new(tally))
}

// SpentOf returns what the calls under ctx have spent so far, and false if nobody counts. What is under way is not in it, and
// neither is what other calls have run for one that shared it.
func SpentOf(ctx context.Context) (Spent, bool) {
	t := tallyOf(ctx)
	if t == nil {
		return Spent{}, false
	}
	return t.spent(), true
}

func tallyOf(ctx context.Context) *tally {
	t, _ := ctx.Value(tallyKey{}).(*tally)
	return t
}

func (t *tally) spent() Spent {
	return Spent{time.Duration(t.queue.Load()), time.Duration(t.db.Load()), int(t.operations.Load())}
}

// Timings returns an observer that counts for [SpentOf] and Server-Timing. A pool is told of it once, by Config.Observer or by
// [connector.Connector.Observe]; told of two, it counts twice. Calls that nobody tracks cost it a look into their context.
func Timings() lifecycle.Observer { return timings{} }

type timings struct{}

// Wants implements lifecycle.Selective.
func (timings) Wants(k lifecycle.Kind) bool {
	switch k {
	case lifecycle.KindAcquire, lifecycle.KindRefuse, lifecycle.KindTimeout, lifecycle.KindOperation, lifecycle.KindError:
		return true
	}
	return false
}

// Observe implements lifecycle.Observer.
func (timings) Observe(e lifecycle.Event) {
	if e.Context == nil {
		return
	}
	t := tallyOf(e.Context)
	if t == nil {
		return
	}
	switch e.Kind {
	case lifecycle.KindOperation, lifecycle.KindError:
		t.db.Add(int64(e.Duration))
		t.operations.Add(1)
	default:
		t.queue.Add(int64(e.Wait))
	}
}

// set writes what was spent, if anything was, beside what others have said. It does so once: of middleware in middleware each
// tells of the same.
func (t *tally) set(h http.Header) {
	s := t.spent()
	if s.Operations == 0 && s.Queue == 0 || t.told.Swap(true) {
		return
	}
	b := make([]byte, 0, 64)
	b = appendMetric(b, "queue", s.Queue)
	b = append(b, ", "...)
	b = appendMetric(b, "db", s.DB)
	b = append(b, `;desc="`...)
	b = strconv.AppendInt(b, int64(s.Operations), 10)
	b = append(b, ` operations"`...)
	h.Add("Server-Timing", string(b))
}

// appendMetric appends a metric in milliseconds.
func appendMetric(b []byte, name string, d time.Duration) []byte {
	b = append(b, name...)
	b = append(b, ";dur="...)
	return strconv.AppendFloat(b, float64(d.Microseconds())/1000, 'f', -1, 64)
}
