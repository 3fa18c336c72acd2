package bank

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// maxComplaints is how many of one journal are kept: the first ones tell what is wrong.
const maxComplaints = 10

// An entry is a transfer, and what its caller was told.
type entry struct {
	transfer
	outcome Outcome
	way     string
	gaveUp  bool  // its caller may have given up before it was told
	err     error // nil if it was acknowledged
}

// A Journal is what the callers were told. Safe for concurrent use.
type Journal struct {
	began time.Time
	done  atomic.Int64 // acknowledged so far

	mu sync.Mutex
	// guarded by mu

	entries    []entry
	complaints []string
	overrun    [2]time.Duration // of single statements, and of transactions
}

func newJournal() *Journal { return &Journal{began: time.Now()} }

func (j *Journal) write(e entry) {
	if e.outcome == Done {
		j.done.Add(1)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, e)
}

// complain notes something that must not happen, whatever the fault.
func (j *Journal) complain(format string, args ...any) {
	text := fmt.Sprintf("after %s: ", time.Since(j.began).Round(time.Millisecond)) + fmt.Sprintf(format, args...)
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.complaints) < maxComplaints {
		j.complaints = append(j.complaints, text)
	}
}

// late notes by how much a caller came back after it had given up.
func (j *Journal) late(w *way, d time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	o := &j.overrun[0]
	if w.commits {
		o = &j.overrun[1]
	}
	*o = max(*o, d)
}

// Done is how many transfers have been acknowledged so far.
func (j *Journal) Done() int64 { return j.done.Load() }

// Complaints are what happened that must not happen, the first ones of it.
func (j *Journal) Complaints() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.complaints...)
}

// Overrun is how late the latest of those callers came back who had given up: of single statements, and of transactions,
// whose end no caller cuts off.
func (j *Journal) Overrun() (statements, transactions time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.overrun[0], j.overrun[1]
}

// Count returns how many transfers ended with this outcome.
func (j *Journal) Count(o Outcome) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for i := range j.entries {
		if j.entries[i].outcome == o {
			n++
		}
	}
	return n
}

// Answered returns how many callers got this SQLSTATE from the server.
func (j *Journal) Answered(code string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for i := range j.entries {
		var answer *pgconn.PgError
		if errors.As(j.entries[i].err, &answer) && answer.Code == code {
			n++
		}
	}
	return n
}

// Kinds lists what callers were told, by kind: the outcome, the way, the types of the errors, and the begin of the first one.
func (j *Journal) Kinds() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	first, count := map[string]string{}, map[string]int{}
	for i := range j.entries {
		e := &j.entries[i]
		if e.err == nil {
			continue
		}
		kind := fmt.Sprintf("%s, %s: %s", e.outcome, e.way, types(e.err))
		if count[kind]++; count[kind] == 1 {
			first[kind] = fmt.Sprintf("%.200s", strings.Join(strings.Fields(e.err.Error()), " ")) // on one line
		}
	}
	var s strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(count)) {
		fmt.Fprintf(&s, "%5d %s\n\t%s\n", count[kind], kind, first[kind])
	}
	return s.String()
}

// types returns the types of err and of what it wraps, outside in, and the SQLSTATE where there is one.
func types(err error) string {
	text := fmt.Sprintf("%T", err)
	switch e := err.(type) {
	case *pgconn.PgError:
		return text + " " + e.Code
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return text + " " + types(inner)
		}
	case interface{ Unwrap() []error }:
		inner := make([]string, 0, 4)
		for _, i := range e.Unwrap() {
			inner = append(inner, types(i))
		}
		return text + " [" + strings.Join(inner, ", ") + "]"
	}
	return text
}

// Failures are what callers were told whose transfers were not acknowledged, at most so many of them.
func (j *Journal) Failures(most int) []error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var errs []error
	for i := range j.entries {
		if e := &j.entries[i]; e.err != nil && len(errs) < most {
			errs = append(errs, fmt.Errorf("transfer %d (%s): %s: %w", e.id, e.way, e.outcome, e.err))
		}
	}
	return errs
}

// String returns the shares of the outcomes.
func (j *Journal) String() string {
	all := max(1, j.Count(Done)+j.Count(NotDone)+j.Count(Unknown))
	var s strings.Builder
	fmt.Fprintf(&s, "%d transfers", all)
	for _, o := range []Outcome{Done, NotDone, Unknown} {
		fmt.Fprintf(&s, ", %d %s (%.1f %%)", j.Count(o), o, 100*float64(j.Count(o))/float64(all))
	}
	statements, transactions := j.Overrun()
	fmt.Fprintf(&s, "; statements late by %s at most, transactions by %s",
		statements.Round(time.Millisecond), transactions.Round(time.Millisecond))
	return s.String()
}

// copies returns the entries.
func (j *Journal) copies() []entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]entry(nil), j.entries...)
}
