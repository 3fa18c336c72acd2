package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/poolsql/poolsql/examples/internal/timing"
)

// sampleEvery is how often the server is asked what our connections are at. It is a look at a table in its memory.
const sampleEvery = 40 * time.Millisecond

// What a connection is at, beside PostgreSQL's own types of wait events.
const (
	atWork   = "Running" // on a core, or in the queue for one
	atClient = "Client"  // waiting for the program, or for the network to it
)

// waits counts, by size, what the connections were found at. Used by one goroutine at a time.
type waits struct {
	conn            *pgx.Conn
	applicationName string
	found           map[int]map[string]int
}

// watch samples until ctx ends. The measure does not depend on it: where the server does not tell, nothing is noted.
func (w *waits) watch(ctx context.Context, size int) {
	if w.found[size] == nil {
		w.found[size] = make(map[string]int)
	}
	for ctx.Err() == nil {
		// A sample is not cut off by the end of the step, or its connection would be closed with it.
		if err := w.sample(context.WithoutCancel(ctx), w.found[size]); err != nil {
			return
		}
		timing.Pause(ctx, sampleEvery)
	}
}

func (w *waits) sample(ctx context.Context, into map[string]int) error {
	ctx, cancel := context.WithTimeout(ctx, lastCalls)
	defer cancel()
	// Workers of a parallel query bear the name of their leader.
	rows, err := w.conn.Query(ctx, `
		select case
				when state <> 'active' or wait_event_type = 'Client' then 'Client'
				else coalesce(wait_event_type, 'Running')
			end, count(*)
		from pg_stat_activity
		where application_name = $1 and backend_type = 'client backend'
		group by 1`, w.applicationName)
	if err != nil {
		return err
	}
	var what string
	var n int
	_, err = pgx.ForEachRow(rows, []any{&what, &n}, func() error {
		into[what] += n
		return nil
	})
	return err
}

// share is how much of the time of all connections something took.
type share struct {
	what string
	of   float64
}

// shares returns what the connections of a pool of this size were at, most of it first; nil if that is not known.
func (w *waits) shares(size int) []share {
	if w == nil {
		return nil
	}
	total := 0
	for _, n := range w.found[size] {
		total += n
	}
	var list []share
	for what, n := range w.found[size] {
		list = append(list, share{what, float64(n) / float64(total)})
	}
	slices.SortFunc(list, func(a, b share) int { return cmp.Or(cmp.Compare(b.of, a.of), strings.Compare(a.what, b.what)) })
	return list
}

// words for what PostgreSQL calls the types of its wait events.
var words = map[string]string{
	atWork:    "ran",
	atClient:  "waited for the program or the network",
	"Lock":    "waited for a lock",
	"LWLock":  "waited for a lock inside the server",
	"IO":      "waited for storage",
	"IPC":     "waited for another process of the server",
	"Timeout": "slept",
}

// describe puts shares into words, those above a twentieth.
func describe(list []share) string {
	var parts []string
	for _, s := range list {
		if s.of < 0.05 {
			continue
		}
		parts = append(parts, fmt.Sprintf("%.0f%% %s", 100*s.of, cmp.Or(words[s.what], "waited ("+s.what+")")))
	}
	return strings.Join(parts, ", ")
}
