package pooldriver_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

const read = "select n from item"

// Of one read at most one execution runs and one waits for it to end, whoever comes.
func TestIdenticalReadsShareOneExecutionThatRunsAndOneThatFollows(t *testing.T) {
	share(t, func(s *sharing) {
		first := s.ask(s.ctx, read)
		synctest.Wait()
		time.Sleep(300 * time.Millisecond)
		var others []<-chan answer
		for range 1000 {
			others = append(others, s.ask(s.ctx, read))
		}
		s.expect(first, 1, time.Second)
		for _, o := range others {
			s.expect(o, 2, 1700*time.Millisecond)
		}
		s.expect(s.ask(s.ctx, read), 3, time.Second)
		if _, most, _ := s.counts(); most != 1 {
			s.Errorf("%d ran at once", most)
		}
		if stats := s.c.Stats(); stats.CoalescedCount != 999 || stats.ExecutionCount != 3 || stats.UncoalescedCount != 0 || stats.QueryCount != 3 {
			s.Errorf("%d coalesced, %d executions, %d alone, %d operations; want 999, 3, 0, 3",
				stats.CoalescedCount, stats.ExecutionCount, stats.UncoalescedCount, stats.QueryCount)
		}
		if told := s.told(lifecycle.KindCoalesced); len(told) != 1 || told[0].Count != 1000 || told[0].Duration != 1700*time.Millisecond {
			s.Errorf("the observer was told %v", told)
		}
	})
}

// As long as an execution queues for its connection, whatever it will see is to come: everybody may join it.
func TestAnExecutionThatQueuesIsJoinedByAll(t *testing.T) {
	share(t, func(s *sharing) {
		conn := s.hold(s.Context())
		early := s.ask(s.ctx, read)
		time.Sleep(time.Second)
		late := s.ask(s.ctx, read)
		synctest.Wait()
		if stats := s.c.Stats(); stats.Waiting != 1 || stats.CoalesceWaiting != 2 {
			s.Errorf("%d wait for a connection, %d for an execution; want 1 and 2", stats.Waiting, stats.CoalesceWaiting)
		}
		conn.Rollback()
		s.expect(early, 1, 2*time.Second)
		s.expect(late, 1, time.Second)
	}, one)
}

// one is a configuration of one connection.
func one(cfg *poolsql.Config) { cfg.MaxConns = 1 }

// hold takes a connection.
func (s *sharing) hold(ctx context.Context) *sql.Tx {
	s.Helper()
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		s.Fatal(err)
	}
	return tx
}

func TestADeclaredStalenessJoinsWhatRunsAlready(t *testing.T) {
	share(t, func(s *sharing) {
		stale := poolsql.WithCoalescing(s.Context(), poolsql.Coalescing{MaxAge: 500 * time.Millisecond})
		first := s.ask(s.ctx, read)
		synctest.Wait()
		time.Sleep(500 * time.Millisecond)
		joins := s.ask(stale, read)
		strict := s.ask(s.ctx, read)
		synctest.Wait()
		time.Sleep(time.Microsecond)
		late := s.ask(stale, read)
		s.expect(first, 1, time.Second)
		s.expect(joins, 1, 500*time.Millisecond)
		s.expect(strict, 2, 1500*time.Millisecond)
		s.expect(late, 2, 1500*time.Millisecond-time.Microsecond)
		s.executions(2)
	})
}

func TestTheStalenessOfThePoolCanBeRefusedByACall(t *testing.T) {
	share(t, func(s *sharing) {
		first := s.ask(s.ctx, read)
		synctest.Wait()
		time.Sleep(100 * time.Millisecond)
		s.expect(s.ask(s.ctx, read), 1, 900*time.Millisecond)
		first2 := s.ask(s.ctx, read)
		synctest.Wait()
		strict := s.ask(poolsql.WithCoalescing(s.Context(), poolsql.Coalescing{MaxAge: -1}), read)
		s.expect(strict, 3, 2*time.Second)
		s.expect(first, 1, time.Second)
		s.expect(first2, 2, time.Second)
	}, func(cfg *poolsql.Config) { cfg.CoalesceMaxAge = time.Hour })
}

// Who began an execution may leave it like everybody else. When the last has left, it ends.
func TestACallerWhoLeavesEndsNothingForTheOthers(t *testing.T) {
	share(t, func(s *sharing) {
		cause := errors.New("had enough")
		leader, cancel := context.WithCancelCause(s.ctx)
		short, stop := context.WithTimeout(s.ctx, 400*time.Millisecond)
		defer stop()
		tx := s.hold(s.Context())
		first := s.ask(leader, read)
		synctest.Wait()
		second := s.ask(short, read)
		third := s.ask(s.ctx, read)
		synctest.Wait()
		tx.Rollback()
		synctest.Wait()
		time.Sleep(200 * time.Millisecond)
		cancel(cause)
		a := <-first
		var canceled *poolsql.CanceledError
		if !errors.As(a.err, &canceled) || !errors.Is(a.err, cause) || !errors.Is(a.err, context.Canceled) || a.took != 200*time.Millisecond {
			s.Errorf("who left got %v after %s", a.err, a.took)
		}
		a = <-second
		var timeout *poolsql.TimeoutError
		if !errors.As(a.err, &timeout) || !errors.Is(a.err, context.DeadlineExceeded) || a.took != 400*time.Millisecond {
			s.Errorf("whose time was up got %v after %s", a.err, a.took)
		}
		s.expect(third, 1, time.Second)
		if _, _, canceled := s.counts(); canceled != 0 {
			s.Error("the execution was canceled")
		}
	}, one)
}

func TestAnExecutionThatNobodyWaitsForEnds(t *testing.T) {
	share(t, func(s *sharing) {
		ctx, cancel := context.WithCancel(s.ctx)
		first, second := s.ask(ctx, read), s.ask(ctx, read)
		synctest.Wait()
		third := s.ask(ctx, read) // waits for the next
		synctest.Wait()
		cancel()
		for _, got := range []<-chan answer{first, second, third} {
			if a := <-got; !errors.Is(a.err, context.Canceled) || a.took != 0 {
				s.Errorf("got %d, %v after %s", a.n, a.err, a.took)
			}
		}
		synctest.Wait()
		if begun, _, canceled := s.counts(); begun != canceled {
			s.Errorf("%d executions, %d of them were canceled", begun, canceled)
		}
		begun, _, _ := s.counts()
		s.expect(s.ask(s.ctx, read), begun+1, time.Second) // and not what the canceled one returns
	})
}

// A call that comes when those of the one that runs have left is not kept waiting for its end.
func TestWhoComesAfterAllHaveLeftBeginsAnew(t *testing.T) {
	share(t, func(s *sharing) {
		s.stubborn = 5 * time.Second
		ctx, cancel := context.WithCancel(s.ctx)
		first := s.ask(ctx, read)
		synctest.Wait()
		next := s.ask(s.ctx, read)
		synctest.Wait()
		time.Sleep(300 * time.Millisecond)
		cancel()
		<-first
		s.expect(next, 2, 1300*time.Millisecond)
		time.Sleep(time.Minute) // until the canceled one has ended as well
	})
}

func TestCallsThatDifferDoNotShare(t *testing.T) {
	type call struct {
		ctx   func(context.Context) context.Context
		query string
		args  []any
	}
	same := func(ctx context.Context) context.Context { return ctx }
	tenant := func(ctx context.Context) context.Context { return poolsql.WithTenant(ctx, "acme") }
	keyed := func(ctx context.Context) context.Context {
		return poolsql.WithCoalescing(ctx, poolsql.Coalescing{Key: "user 1"})
	}
	timeout := func(ctx context.Context) context.Context { return poolsql.WithTimeout(ctx, time.Minute) }
	retries := func(ctx context.Context) context.Context { return poolsql.WithRetries(ctx, 1) }
	calls := []call{
		{same, read, nil}, {same, read + " ", nil}, {same, "select N from item", nil},
		{tenant, read, nil}, {keyed, read, nil}, {timeout, read, nil}, {retries, read, nil},
		{same, read, []any{nil}}, {same, read, []any{[]byte(nil)}}, {same, read, []any{[]byte{}}}, {same, read, []any{""}},
		{same, read, []any{1}}, {same, read, []any{int64(1)}}, {same, read, []any{"1"}}, {same, read, []any{[]byte("1")}}, {same, read, []any{1.0}},
		{same, read, []any{math.NaN()}}, {same, read, []any{sql.Named("a", "1")}}, {same, read, []any{sql.Named("b", "1")}},
		{same, read, []any{time.Unix(0, 0).UTC()}}, {same, read, []any{time.Unix(0, 0).In(time.FixedZone("here", 60))}},
	}
	share(t, func(s *sharing) {
		var all []<-chan answer
		for range 2 {
			for _, c := range calls {
				all = append(all, s.ask(c.ctx(s.ctx), c.query, c.args...))
			}
			synctest.Wait()
		}
		for _, got := range all {
			if a := <-got; a.err != nil {
				s.Error(a.err)
			}
		}
		s.executions(2 * len(calls))
	}, func(cfg *poolsql.Config) { cfg.MaxConns = 100 })
}

func TestCallsThatDifferInClassAndLabelShare(t *testing.T) {
	share(t, func(s *sharing) {
		tx := s.hold(s.Context())
		low := s.ask(poolsql.WithLabel(poolsql.WithPriority(s.ctx, poolsql.Low), "report"), read)
		synctest.Wait()
		normal := s.ask(poolsql.WithPriority(s.Context(), poolsql.Normal), "select something else")
		synctest.Wait()
		high := s.ask(poolsql.WithPriority(s.ctx, poolsql.High), read)
		lower := s.ask(poolsql.WithPriority(s.ctx, poolsql.Low), read)
		synctest.Wait()
		if waiting := s.c.Stats().Waiting; waiting != 2 {
			s.Errorf("%d wait, want the other one and one execution", waiting)
		}
		tx.Rollback()
		for _, got := range []<-chan answer{low, high, lower} { // in the class of the highest, and so before the other
			s.expect(got, 1, time.Second)
		}
		s.expect(normal, 2, 2*time.Second)
		told := s.told(lifecycle.KindCoalesced)
		if len(told) != 1 || told[0].Class != poolsql.High || told[0].Label != "report" || told[0].Count != 3 {
			s.Errorf("the observer was told %v", told)
		}
	}, one)
}

// Whoever follows an execution that runs decides by his class how the next one queues.
func TestTheExecutionThatFollowsHasTheHighestClass(t *testing.T) {
	share(t, func(s *sharing) {
		first := s.ask(s.ctx, read)
		synctest.Wait()
		low := s.ask(poolsql.WithPriority(s.ctx, poolsql.Low), read)
		synctest.Wait()
		high := s.ask(poolsql.WithPriority(s.ctx, poolsql.High), read)
		s.expect(first, 1, time.Second)
		s.expect(low, 2, 2*time.Second)
		s.expect(high, 2, 2*time.Second)
		var classes []string
		for _, e := range s.told(lifecycle.KindAcquire) {
			classes = append(classes, e.Class.String())
		}
		if fmt.Sprint(classes) != "[normal high]" {
			s.Errorf("executions queued as %v", classes)
		}
	})
}

func TestWhatHasAStateOrMayWriteRunsByItself(t *testing.T) {
	share(t, func(s *sharing) {
		ask := func(f func() *sql.Row) <-chan answer {
			return s.asks(func() (n int, err error) { err = f().Scan(&n); return n, err })
		}
		tx := s.hold(s.ctx)
		conn, err := s.db.Conn(s.ctx)
		if err != nil {
			s.Fatal(err)
		}
		if _, err := conn.ExecContext(s.ctx, "set search_path to other"); err != nil {
			s.Fatal(err)
		}
		all := []<-chan answer{
			ask(func() *sql.Row { return tx.QueryRowContext(s.ctx, read) }),
			ask(func() *sql.Row { return conn.QueryRowContext(s.ctx, read) }),
			ask(func() *sql.Row { return s.db.QueryRowContext(s.Context(), read) }),
			ask(func() *sql.Row { return s.db.QueryRowContext(poolsql.WithoutCoalescing(s.ctx), read) }),
			s.ask(s.ctx, "insert into item values (1) returning n"),
			s.ask(s.ctx, "insert into item values (1) returning n"),
			s.ask(s.ctx, read+" for update"),
			s.ask(s.ctx, read+" for update"),
			s.ask(s.ctx, read, func() {}),
			s.ask(s.ctx, read, func() {}),
		}
		for i, got := range all {
			if a := <-got; a.took != time.Second && a.err == nil {
				s.Errorf("call %d took %s", i, a.took)
			}
		}
		s.executions(8) // the driver does not take functions
		if stats := s.c.Stats(); stats.UncoalescedCount != 6 || stats.ExecutionCount != 0 {
			s.Errorf("%d ran by themselves, want 6; %d executions", stats.UncoalescedCount, stats.ExecutionCount)
		}
		conn.Close()
		tx.Rollback()
	}, func(cfg *poolsql.Config) { cfg.MaxConns = 20 })
}

func TestCoalescingCanBeTurnedOffForThePool(t *testing.T) {
	share(t, func(s *sharing) {
		cfg := s.c.Config()
		cfg.CoalesceMaxWaiters = -1
		if err := s.c.Reconfigure(cfg); err != nil {
			s.Fatal(err)
		}
		mine := poolsql.WithCoalescing(s.Context(), poolsql.Coalescing{MaxWaiters: 100})
		a, b := s.ask(mine, read), s.ask(mine, read)
		<-a
		<-b
		s.executions(2)
		if _, most, _ := s.counts(); most != 2 {
			s.Error("they did not run side by side")
		}
	})
}

func TestWhoComesWhenEnoughShareRunsByItselfOrFails(t *testing.T) {
	share(t, func(s *sharing) {
		limited := poolsql.WithCoalescing(s.Context(), poolsql.Coalescing{MaxWaiters: 2})
		strict := poolsql.WithCoalescing(s.Context(), poolsql.Coalescing{MaxWaiters: 2, AtCap: poolsql.Refuse})
		first := s.ask(limited, read)
		synctest.Wait()
		time.Sleep(100 * time.Millisecond)
		second, third := s.ask(limited, read), s.ask(limited, read)
		synctest.Wait()
		alone := s.ask(limited, read)
		a := <-s.ask(poolsql.WithLabel(strict, "page"), read)
		var refused *poolsql.CoalescingError
		if !errors.As(a.err, &refused) || !errors.Is(a.err, poolsql.ErrTooManySharers) || refused.Max != 2 || refused.Label != "page" || a.took != 0 {
			s.Errorf("got %v after %s", a.err, a.took)
		}
		if n := s.c.Stats().CoalesceRefusedCount; n != 1 {
			s.Errorf("%d are counted as refused", n)
		}
		s.expect(first, 1, time.Second)
		s.expect(alone, 2, time.Second)
		s.expect(second, 3, 1900*time.Millisecond)
		s.expect(third, 3, 1900*time.Millisecond)
	})
}

// ofSize is an answer of so many bytes.
func ofSize(size int) func(int) (driver.Rows, error) {
	return func(int) (driver.Rows, error) {
		r := &listed{}
		for range size / 1000 {
			r.values = append(r.values, make([]byte, 1000-16))
		}
		return r, nil
	}
}

func TestAResultThatIsTooLargeIsNotSharedAndNotTriedAgainForAWhile(t *testing.T) {
	share(t, func(s *sharing) {
		s.answer = ofSize(200_000)
		count := func(ctx context.Context) <-chan answer {
			return s.asks(func() (n int, err error) {
				rows, err := s.db.QueryContext(ctx, read)
				if err != nil {
					return 0, err
				}
				defer rows.Close()
				for rows.Next() {
					n++
				}
				return n, rows.Err()
			})
		}
		small := poolsql.WithCoalescing(s.Context(), poolsql.Coalescing{MaxBytes: 100_000})
		s.expect(count(small), 200, 2*time.Second) // shared first, and then by itself
		s.expect(count(small), 200, time.Second)   // which is known now
		strict := poolsql.WithCoalescing(s.Context(), poolsql.Coalescing{MaxBytes: 100_000, AtCap: poolsql.Refuse})
		if a := <-count(strict); !errors.Is(a.err, poolsql.ErrResultTooLarge) || a.took != 0 {
			s.Errorf("got %v after %s", a.err, a.took)
		}
		large := poolsql.WithCoalescing(s.Context(), poolsql.Coalescing{MaxBytes: 200_000})
		before := s.c.Stats().ExecutionCount
		s.expect(count(large), 200, time.Second) // who allows more may share
		time.Sleep(2 * time.Minute)
		s.expect(count(small), 200, 2*time.Second)
		if n := s.c.Stats().ExecutionCount - before; n != 2 {
			s.Errorf("%d shared executions, want 2", n)
		}
	}, func(cfg *poolsql.Config) { cfg.MaxConns = 10 })
}

func TestWhatOnlyItsDriverKnowsIsNotShared(t *testing.T) {
	share(t, func(s *sharing) {
		s.answer = func(int) (driver.Rows, error) { return &listed{values: []driver.Value{&listed{}}}, nil }
		rows, err := s.db.QueryContext(s.ctx, read)
		if err != nil {
			s.Fatal(err)
		}
		rows.Close()
		if stats := s.c.Stats(); stats.ExecutionCount != 1 || stats.UncoalescedCount != 1 {
			s.Errorf("%d executions, %d alone", stats.ExecutionCount, stats.UncoalescedCount)
		}
		s.executions(2)
	})
}

func TestAnErrorIsThatOfAllWhoShareAndOfNobodyElse(t *testing.T) {
	share(t, func(s *sharing) {
		failed := errors.New("division by zero")
		s.answer = func(n int) (driver.Rows, error) {
			if n == 1 {
				return nil, failed
			}
			return &listed{values: []driver.Value{int64(n)}, err: failed, closed: failed}, nil
		}
		tx := s.hold(s.Context())
		a, b := s.ask(s.ctx, read), s.ask(s.ctx, read)
		synctest.Wait()
		tx.Rollback()
		synctest.Wait()
		next := s.ask(s.ctx, read)
		for _, got := range []<-chan answer{a, b} {
			if a := <-got; a.err != failed { //nolint:errorlint // as it is
				s.Errorf("got %v", a.err)
			}
		}
		if a := <-next; a.n != 2 || a.err != failed { //nolint:errorlint // as it is
			s.Errorf("got %d, %v: want a row and the error", a.n, a.err)
		}
		told := s.told(lifecycle.KindCoalesced)
		if len(told) != 1 || told[0].Code == "" || told[0].Err != nil {
			s.Errorf("the observer was told %v", told)
		}
	}, one)
}

func TestWhatOneReaderDoesToHisBytesNobodyElseSees(t *testing.T) {
	share(t, func(s *sharing) {
		s.answer = func(int) (driver.Rows, error) {
			return &listed{values: []driver.Value{[]byte("first"), []byte("second")}}, nil
		}
		tx := s.hold(s.Context())
		var all []<-chan answer
		for range 10 {
			all = append(all, s.asks(func() (n int, err error) {
				rows, err := s.db.QueryContext(s.ctx, read)
				if err != nil {
					return 0, err
				}
				defer rows.Close()
				for rows.Next() {
					var raw sql.RawBytes
					if err := rows.Scan(&raw); err != nil {
						return 0, err
					}
					if text := string(raw); text != "first" && text != "second" {
						return 0, errors.New("somebody made it " + text)
					}
					copy(raw, "broken")
					columns, err := rows.Columns()
					if err != nil || columns[0] != "n" {
						return 0, fmt.Errorf("the columns are %q, %w", columns, err)
					}
					columns[0] = "broken"
					n++
				}
				return n, rows.Err()
			}))
		}
		synctest.Wait()
		tx.Rollback()
		for _, got := range all {
			s.expect(got, 2, time.Second)
		}
		s.executions(1)
	}, one)
}

// A caller whose owner holds a connection waits for himself, and is told so as if nobody shared anything.
func TestADeadlockIsSeenThroughSharing(t *testing.T) {
	share(t, func(s *sharing) {
		ctx := poolsql.WithOwner(s.ctx)
		tx := s.hold(ctx)
		if a := <-s.ask(ctx, read); !errors.Is(a.err, poolsql.ErrDeadlock) || a.took != 0 {
			s.Errorf("got %v after %s", a.err, a.took)
		}
		tx.Rollback()
		s.expect(s.ask(ctx, read), 1, time.Second)
		if n := s.c.Stats().ExecutionCount; n != 1 {
			s.Errorf("%d executions: an owner who holds nothing shares", n)
		}
	}, one)
}

func TestAPoolThatClosesTellsAllWhoShare(t *testing.T) {
	for what, end := range map[string]func(*sharing) error{
		"Close": func(s *sharing) error { return s.c.Close() },
		"Drain": func(s *sharing) error { return s.c.Drain(s.Context()) },
		"Clear": func(s *sharing) error { s.c.Clear("deploying"); return nil },
	} {
		t.Run(what, func(t *testing.T) {
			share(t, func(s *sharing) {
				runs := s.ask(s.ctx, "select 1")
				synctest.Wait()
				queues, queues2 := s.ask(s.ctx, read), s.ask(s.ctx, read)
				synctest.Wait()
				if err := end(s); err != nil {
					s.Fatal(err)
				}
				s.expect(runs, 1, time.Second)
				for _, got := range []<-chan answer{queues, queues2} {
					a := <-got
					var refused *poolsql.AcquireError
					if !errors.As(a.err, &refused) {
						s.Errorf("got %d, %v", a.n, a.err)
					}
				}
			}, one)
		})
	}
}

func TestThousandsOfKeysLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	share(t, func(s *sharing) {
		var all []<-chan answer
		for i := range 3000 {
			all = append(all, s.ask(s.ctx, read, i%1500))
		}
		synctest.Wait()
		if keys := s.c.Coalescing().Keys; keys != 1500 {
			s.Errorf("%d keys, want 1500", keys)
		}
		for _, got := range all {
			if a := <-got; a.err != nil {
				s.Error(a.err)
			}
		}
		if stats := s.c.Stats(); stats.ExecutionCount+stats.CoalescedCount != 3000 || stats.CoalescedCount < 1000 {
			s.Errorf("%d executions, %d coalesced", stats.ExecutionCount, stats.CoalescedCount)
		}
	}, func(cfg *poolsql.Config) { cfg.MaxConns, cfg.AcquireTimeout = 100, poolsql.None })
}

type panics struct{}

func (panics) Value() (driver.Value, error) { panic("no value today") }

// A panic is that of whoever caused it, on his goroutine.
func TestAPanicInAValuerIsItsCallersOwn(t *testing.T) {
	share(t, func(s *sharing) {
		defer func() {
			if v := recover(); v != "no value today" {
				s.Errorf("recovered %v", v)
			}
		}()
		_, _ = s.db.QueryContext(s.ctx, read, panics{})
		s.Error("it did not panic")
	})
}

func TestAPanicInAnExecutionIsThatOfAllItsCallers(t *testing.T) {
	share(t, func(s *sharing) {
		s.answer = func(int) (driver.Rows, error) { panic("out of order") }
		tx := s.hold(s.Context())
		call := func() <-chan answer {
			return s.asks(func() (n int, err error) {
				defer func() {
					var ok bool
					if err, ok = recover().(error); !ok {
						err = errors.New("no panic, or none with an error")
					}
				}()
				return 0, s.db.QueryRowContext(s.ctx, read).Scan(&n)
			})
		}
		a, b := call(), call()
		synctest.Wait()
		tx.Rollback()
		for _, got := range []<-chan answer{a, b} {
			var panicked *poolsql.PanicError
			if a := <-got; !errors.As(a.err, &panicked) || panicked.Value != "out of order" || len(panicked.Stack) == 0 {
				s.Errorf("got %v", a.err)
			}
		}
		s.answer = nil
		s.expect(s.ask(s.ctx, read), 2, time.Second) // the connection was closed, and its place is free
		if ended := s.c.Stats().ClosedConns[lifecycle.EndPanicked]; ended != 1 {
			s.Errorf("%d connections ended by a panic", ended)
		}
	}, one)
}

// The context of an execution has no deadline, and what the call that began it carries, but for its
// owner.
func TestAnExecutionHasNoDeadlineAndTheFirstCallersValues(t *testing.T) {
	type key struct{}
	share(t, func(s *sharing) {
		began := time.Now()
		seen := make(chan context.Context, 1)
		s.c.Observe(poolsql.ObserverFunc(func(e poolsql.Event) {
			if e.Kind == lifecycle.KindCoalesced {
				seen <- e.Context
			}
		}))
		tx := s.hold(s.Context())
		var all []<-chan answer
		for i := range 3 {
			ctx, cancel := context.WithTimeout(context.WithValue(s.ctx, key{}, i), time.Duration(10-i)*time.Second)
			defer cancel()
			all = append(all, s.ask(poolsql.WithOwner(ctx), read))
			synctest.Wait()
		}
		tx.Rollback()
		for _, got := range all {
			s.expect(got, 1, time.Second)
		}
		ctx := <-seen
		deadline, ok := ctx.Deadline()
		if ok || ctx.Value(key{}) != 0 {
			s.Errorf("deadline %s (%t), value %v", deadline.Sub(began), ok, ctx.Value(key{}))
		}
		if o := priority.Peek(ctx); o.Owner != nil || o.Coalescing != nil {
			s.Errorf("the options are %+v", *o)
		}
	}, one)
}
