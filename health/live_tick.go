package health

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/poolsql/poolsql/connector"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// A tick is what the page shows of one instant. Times of day are in milliseconds since 1970, all others in milliseconds.
type tick struct {
	Now     int64        `json:"now"`
	Health  tickHealth   `json:"health"`
	Pool    tickPool     `json:"pool"`
	Conns   []tickConn   `json:"conns"`
	Queue   []tickQueue  `json:"queue"`
	Waiters []tickWaiter `json:"waiters"`
	// WaitersLeft are those who wait and are not in Waiters.
	WaitersLeft int         `json:"waitersLeft"`
	Points      []point     `json:"points"` // the last few, for those who missed a tick
	Events      []eventLine `json:"events"`
	Totals      []total     `json:"totals"`
	Classes     []tickClass `json:"classes"`
	// DryRun says that shedding turns nobody away.
	DryRun   bool         `json:"dryRun,omitempty"`
	Routes   []tickRoute  `json:"routes"`
	Features FeatureStats `json:"features"`
}

type tickHealth struct {
	Status string `json:"status"`
	Score  *int   `json:"score"` // nil while it is not judged
	Since  int64  `json:"since,omitempty"`
	// NotReady is why this process should not be sent work.
	NotReady string   `json:"notReady,omitempty"`
	Reasons  []string `json:"reasons"`
	Warnings []string `json:"warnings"`
}

type tickPool struct {
	Name    string `json:"name"`
	Max     int    `json:"max"`
	Total   int    `json:"total"`
	InUse   int    `json:"inUse"`
	Idle    int    `json:"idle"`
	Opening int    `json:"opening"`
	Closing int    `json:"closing"`
	Waiting int    `json:"waiting"`
	// Oldest is for how long the first of them has waited.
	Oldest float64 `json:"oldest"`
	// LongAfter is for how long somebody may hold a connection before the page draws attention to it.
	LongAfter float64 `json:"longAfter"`
}

type tickConn struct {
	ID      uint64  `json:"id"`
	PID     uint32  `json:"pid,omitempty"`
	State   string  `json:"state"` // one of those of base.js
	End     string  `json:"end,omitempty"`
	For     float64 `json:"for"` // in its state
	Age     float64 `json:"age,omitempty"`
	Held    float64 `json:"held,omitempty"` // above 0 if somebody holds it
	Run     float64 `json:"run,omitempty"`
	Label   string  `json:"label,omitempty"`
	Tenant  string  `json:"tenant,omitempty"`
	User    string  `json:"user,omitempty"`
	Class   string  `json:"class,omitempty"`
	Key     string  `json:"key,omitempty"` // the affinity key that it served last
	Query   string  `json:"query,omitempty"`
	Uses    uint64  `json:"uses"`
	Queries uint64  `json:"queries"`
	Errors  uint64  `json:"errors"`
}

type tickQueue struct {
	Class   string  `json:"class"`
	Waiting int     `json:"waiting"`
	Oldest  float64 `json:"oldest"`
	// Younger says that Oldest is not known: it is less than what stands there.
	Younger bool `json:"younger,omitempty"`
}

// A tickWaiter stands for all callers who look alike.
type tickWaiter struct {
	Class   string  `json:"class"`
	Label   string  `json:"label,omitempty"`
	Tenant  string  `json:"tenant,omitempty"`
	Query   string  `json:"query,omitempty"`
	Count   int     `json:"count"`
	Longest float64 `json:"longest"`
}

// A total is a name and a number since the start.
type total [2]any

const (
	// waitersSeen is how many of those who wait are looked at, and waitersShown how many lines there are of them at most.
	waitersSeen, waitersShown = 256, 20
	// textShown is how much is shown of a statement, a label or an error.
	textShown = 400
	// longHold is after how long a holder is marked where the pool has no LeakThreshold.
	longHold = 10 * time.Second
)

// tick reads everything that the page shows.
func (l *live) tick() *tick {
	pool := l.monitor.pool
	stats, conns, waiters := pool.Stats(), pool.Connections(), pool.Waiters(waitersSeen)
	now := time.Now()
	t := &tick{
		Now: now.UnixMilli(), Health: l.monitor.tickHealth(&stats), Pool: poolOf(&stats, waiters),
		Events: l.events.lines(), Totals: totalsOf(&stats),
	}
	cfg := pool.Config()
	t.Pool.LongAfter = inMillis(longHold)
	if cfg.LeakThreshold > 0 {
		t.Pool.LongAfter = inMillis(cfg.LeakThreshold)
	}
	t.Classes, t.DryRun = classesOf(&stats), cfg.Shedding == priority.ShedDryRun
	t.Routes, t.Features = routesOf(pool.Routes()), featureStats(&stats)
	past := l.monitor.History()
	t.Points = pointsOf(past[max(0, len(past)-pointsTold):])
	t.Conns = l.connsOf(conns, now)
	t.Queue = queueOf(&stats, waiters)
	t.Waiters, t.WaitersLeft = l.waitersOf(waiters, stats.Waiting)
	return t
}

func poolOf(s *connector.Stats, waiters []connector.WaiterInfo) tickPool {
	p := tickPool{
		Name: s.Name, Max: s.MaxConns, Total: s.TotalConns, InUse: s.InUseConns, Idle: s.IdleConns,
		Opening: s.ConnectingConns, Closing: s.ClosingConns, Waiting: s.Waiting,
	}
	if len(waiters) > 0 {
		p.Oldest = inMillis(waiters[0].Waited)
	}
	return p
}

func (l *live) connsOf(conns []connector.ConnInfo, now time.Time) []tickConn {
	list := make([]tickConn, len(conns))
	for i := range conns {
		c := &conns[i]
		to := tickConn{
			ID: c.ID, PID: c.PID, State: cellState(c), For: inMillis(now.Sub(c.Since)),
			Uses: c.Uses, Queries: c.Queries, Errors: c.Errors, Key: shorten(c.Affinity),
		}
		if c.End != lifecycle.EndNone {
			to.End = c.End.String()
		}
		if !c.Created.IsZero() {
			to.Age = inMillis(now.Sub(c.Created))
		}
		if !c.HolderSince.IsZero() {
			to.Held = max(0.001, inMillis(now.Sub(c.HolderSince)))
			to.Run = inMillis(c.Running)
			to.Label, to.Tenant, to.User, to.Class = shorten(c.Label), shorten(c.Tenant), shorten(c.User), c.Class.String()
			if l.monitor.cfg.ShowQueries {
				to.Query = shorten(c.LastQuery)
			}
		}
		list[i] = to
	}
	return list
}

// cellState is the state of a connection and of what is done with it, in one word.
func cellState(c *connector.ConnInfo) string {
	switch c.State {
	case lifecycle.Creating:
		return "opening"
	case lifecycle.Idle:
		return "idle"
	case lifecycle.Draining:
		return "draining"
	case lifecycle.Closing:
		return "closing"
	}
	switch c.Doing {
	case pooldriver.Reading:
		return "reading"
	case pooldriver.IdleInTransaction:
		return "transaction"
	case pooldriver.Thinking:
		return "held"
	default:
		return "running"
	}
}

// Holders are the connections that somebody holds, longest first, for the page without scripts.
func (t *tick) Holders() []tickConn {
	holders := slices.DeleteFunc(slices.Clone(t.Conns), func(c tickConn) bool { return c.Held == 0 })
	slices.SortFunc(holders, func(a, b tickConn) int { return cmp.Compare(b.Held, a.Held) })
	return holders
}

func queueOf(s *connector.Stats, waiters []connector.WaiterInfo) []tickQueue {
	queue := make([]tickQueue, 0, priority.NumClasses)
	for _, c := range s.Classes {
		q := tickQueue{Class: c.Class.String(), Waiting: c.Waiting}
		first := slices.IndexFunc(waiters, func(w connector.WaiterInfo) bool { return w.Class == c.Class })
		switch {
		case c.Waiting == 0:
		case first >= 0:
			q.Oldest = inMillis(waiters[first].Waited)
		case len(waiters) > 0:
			q.Oldest, q.Younger = inMillis(waiters[len(waiters)-1].Waited), true
		}
		queue = append(queue, q)
	}
	return queue
}

// waitersOf puts those who look alike into one line, the line of the first to have come first. It also returns how many
// of those who wait are in no line.
func (l *live) waitersOf(waiters []connector.WaiterInfo, waiting int) (lines []tickWaiter, left int) {
	lines = []tickWaiter{}
	at := make(map[connector.WaiterInfo]int)
	for _, w := range waiters {
		kind := w
		kind.Waited = 0
		if !l.monitor.cfg.ShowQueries {
			kind.Query = ""
		}
		i, ok := at[kind]
		if !ok {
			if len(lines) == waitersShown {
				continue
			}
			i = len(lines)
			at[kind] = i
			lines = append(lines, tickWaiter{
				Class: w.Class.String(), Label: shorten(w.Label), Tenant: shorten(w.Tenant), Query: shorten(kind.Query),
				Longest: inMillis(w.Waited),
			})
		}
		lines[i].Count++
		waiting--
	}
	return lines, max(0, waiting)
}

func totalsOf(s *connector.Stats) []total {
	var closed uint64
	for _, n := range s.ClosedConns {
		closed += n
	}
	return []total{
		{"Connections lent", s.AcquireCount}, {"Callers who waited", s.WaitCount}, {"Refused", s.RefusedCount},
		{"Of these, timed out", s.TimeoutCount}, {"Operations", s.QueryCount}, {"Of these, failed", s.ErrorCount},
		{"Connections opened", s.NewConnsCount}, {"Closed", closed}, {"Could not be opened", s.ConnectErrorCount},
		{"Held for too long", s.LeakCount},
	}
}

// inMillis is d in milliseconds, without more digits than anybody reads: they would be sent to everybody once a second.
func inMillis(d time.Duration) float64 {
	if d >= 100*time.Millisecond {
		return float64(d.Milliseconds())
	}
	return math.Round(float64(max(d, 0))/1000) / 1000
}

// shorten returns as much of the text as is shown.
func shorten(text string) string {
	if len(text) <= textShown {
		return strings.ToValidUTF8(text, "\uFFFD")
	}
	cut := textShown
	for !utf8.RuneStart(text[cut]) && cut > textShown-utf8.UTFMax {
		cut--
	}
	return strings.ToValidUTF8(text[:cut], "\uFFFD") + "…"
}
