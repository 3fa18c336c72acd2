package connector_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/connector/pgbouncer"
	pooldriver "github.com/poolsql/poolsql/driver"
)

// A ledger is what one caller knows of the rows that it wrote.
type ledger struct {
	there, absent, unknown []int64
}

func TestStressBehindPgBouncerNothingIsLostOrDoubledOnFiveSessions(t *testing.T) {
	const callers, sessions = 200, 5
	b := bounce(t, connector.Config{
		PgBouncer: connector.PoolTransaction, MaxConns: callers, MaxDials: 32, StatementTimeout: 30 * time.Second,
	}, fmt.Sprint("default_pool_size = ", sessions))
	b.must(b.direct.ExecContext(b.ctx, "create table rows (id bigint, caller int, way text)"))
	ends := time.Now().Add(stressTime(t))
	ledgers := make([]ledger, callers)
	var ids, canceled, worked atomic.Int64
	var working, sampling sync.WaitGroup
	done := make(chan struct{})
	sampling.Go(func() { b.sampleSessions(sessions, done) })
	for i := range callers {
		working.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for time.Now().Before(ends) && !t.Failed() {
				switch n := r.IntN(20); {
				case n == 0:
					if b.cutOff(time.Duration(5+r.IntN(40)) * time.Millisecond) {
						canceled.Add(1)
					}
				case n < 8:
					b.writeAlone(i, ids.Add(1), &ledgers[i])
				case n < 12:
					b.writeTogether(i, ids.Add(2), r.IntN(3) == 0, &ledgers[i])
				default:
					b.echo(i, r.Int64())
				}
				worked.Add(1)
			}
		})
	}
	working.Wait()
	close(done)
	sampling.Wait()
	b.audit(ledgers)
	s := b.c.Stats()
	t.Logf("%d calls, %d rows, %d canceled, %d connections opened", worked.Load(), ids.Load(), canceled.Load(), s.NewConnsCount)
	if canceled.Load() == 0 || worked.Load() < callers {
		t.Error("too little has happened for the test to mean anything")
	}
}

// cutOff runs a statement that its caller gives up, and reports whether it was canceled.
func (b *bounced) cutOff(within time.Duration) bool {
	ctx, cancel := context.WithTimeout(b.ctx, within)
	defer cancel()
	_, err := b.ExecContext(ctx, "select pg_sleep(5)")
	var timeout *pooldriver.TimeoutError
	if !errors.Is(err, context.DeadlineExceeded) {
		b.t.Errorf("a statement that is cut off: %v", err)
	}
	return errors.As(err, &timeout) && timeout.Err != nil
}

// writeAlone writes a row in a statement of its own, now and then under a context that ends.
func (b *bounced) writeAlone(caller int, id int64, l *ledger) {
	ctx, cancel := b.ctx, context.CancelFunc(func() {})
	if id%16 == 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(id%50)*time.Millisecond)
	}
	defer cancel()
	_, err := b.ExecContext(ctx, "insert into rows values ($1, $2, 'alone')", id, caller)
	var timeout *pooldriver.TimeoutError
	switch {
	case err == nil:
		l.there = append(l.there, id)
	case id%16 != 0 || !errors.Is(err, context.DeadlineExceeded):
		b.t.Errorf("a statement that nobody cuts off: %v", err)
	case errors.As(err, &timeout) && !timeout.Unsent && timeout.Err == nil:
		l.unknown = append(l.unknown, id)
	default: // it waited for its turn, or was not sent, or the server says that it was canceled
		l.absent = append(l.absent, id)
	}
}

// writeTogether writes two rows in a transaction.
func (b *bounced) writeTogether(caller int, id int64, back bool, l *ledger) {
	tx, err := b.BeginTx(b.ctx, nil)
	if err != nil {
		b.t.Errorf("a transaction: %v", err)
		return
	}
	for _, id := range []int64{id - 1, id} {
		if _, err := tx.ExecContext(b.ctx, "insert into rows values ($1, $2, 'together')", id, caller); err != nil {
			b.t.Errorf("a statement in a transaction: %v", err)
		}
	}
	end, list := tx.Commit, &l.there
	if back {
		end, list = tx.Rollback, &l.absent
	}
	if err := end(); err != nil {
		b.t.Errorf("the end of a transaction: %v", err)
	}
	*list = append(*list, id-1, id)
}

// echo checks that an answer is the caller's own.
func (b *bounced) echo(caller int, value int64) {
	var gotCaller, got int64
	err := b.QueryRowContext(b.ctx, "select $1::bigint, $2::bigint", caller, value).Scan(&gotCaller, &got)
	if err != nil || gotCaller != int64(caller) || got != value {
		b.t.Errorf("caller %d asked for %d and got %d for %d, %v", caller, value, got, gotCaller, err)
	}
}

// sampleSessions looks again and again at how many sessions the server has for PgBouncer.
func (b *bounced) sampleSessions(most int, done <-chan struct{}) {
	console, err := pgbouncer.New(b.pooler.ConsoleDSN())
	if err != nil {
		b.t.Error(err)
		return
	}
	defer console.Close()
	for samples := 0; ; samples++ {
		select {
		case <-done:
			if samples == 0 {
				b.t.Error("nobody looked")
			}
			return
		case <-time.After(20 * time.Millisecond):
		}
		var n int
		err := b.direct.QueryRowContext(b.ctx, `select count(*) from pg_stat_activity where datname = current_database()
			and backend_type = 'client backend' and pid <> pg_backend_pid()`).Scan(&n)
		// One that PgBouncer has closed is there until it notices: PgBouncer's own number, below, is the exact one.
		if err != nil || n > 2*most {
			b.t.Errorf("the server has %d sessions, want %d and a few that end (%v)", n, most, err)
		}
		pools, err := console.Pools(b.ctx)
		if err != nil {
			b.t.Error(err)
		}
		for _, p := range pools {
			// One that is logging in may be there to pass on a request to cancel.
			if p.Database == b.name && p.Servers()-p.ServersCanceling.V-p.ServersLogin > int64(most) {
				b.t.Errorf("PgBouncer says that it has %+v", p)
			}
		}
	}
}

// audit compares what the callers know with what is there.
func (b *bounced) audit(ledgers []ledger) {
	b.t.Helper()
	count := map[int64]int{}
	rows, err := b.direct.QueryContext(b.ctx, "select id, count(*) from rows group by id")
	if err != nil {
		b.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var n int
		if err := rows.Scan(&id, &n); err != nil {
			b.t.Fatal(err)
		}
		count[id] = n
	}
	if err := rows.Err(); err != nil {
		b.t.Fatal(err)
	}
	for caller, l := range ledgers {
		for _, id := range l.there {
			if count[id] != 1 {
				b.t.Errorf("row %d of caller %d was acknowledged and is there %d times", id, caller, count[id])
			}
		}
		for _, id := range l.absent {
			if count[id] != 0 {
				b.t.Errorf("row %d of caller %d must not be there and is %d times", id, caller, count[id])
			}
		}
		for _, id := range l.unknown {
			if count[id] > 1 {
				b.t.Errorf("row %d of caller %d is there %d times", id, caller, count[id])
			}
		}
		for _, id := range slices.Concat(l.there, l.absent, l.unknown) {
			delete(count, id)
		}
	}
	if len(count) > 0 {
		b.t.Errorf("%d rows are nobody's", len(count))
	}
}

func TestStressBehindPgBouncerACancelNeverHitsANeighbor(t *testing.T) {
	// On one session of the server, what comes after a canceled statement is somebody else's.
	b := bounce(t, connector.Config{PgBouncer: connector.PoolTransaction, MaxConns: 12}, "default_pool_size = 1")
	ends := time.Now().Add(stressTime(t))
	var canceled, fine atomic.Int64
	var working sync.WaitGroup
	for i := range 12 {
		working.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 2))
			for time.Now().Before(ends) && !t.Failed() {
				if i < 4 {
					if b.cutOff(time.Duration(1000+r.IntN(7000)) * time.Microsecond) {
						canceled.Add(1)
					}
					continue
				}
				if err := b.QueryRowContext(b.ctx, "select pg_sleep($1)", 0.001).Scan(new(sql.NullString)); err != nil {
					t.Errorf("a neighbor: %v", err)
				}
				fine.Add(1)
			}
		})
	}
	working.Wait()
	t.Logf("%d were canceled between %d others; %d connections were opened", canceled.Load(), fine.Load(), b.c.Stats().NewConnsCount)
	if canceled.Load() < 10 || fine.Load() < 20 {
		t.Error("too little has happened for the test to mean anything")
	}
}
