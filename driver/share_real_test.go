package pooldriver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// sharing is a context whose reads share.
func (f *fixture) sharing() context.Context {
	return poolsql.WithCoalescing(f.ctx, poolsql.Coalescing{})
}

// Writers commit one version after the other; whoever reads must see one that is at least as new as the last that was
// committed when he began, however many share.
func TestAReaderNeverSeesLessThanWasCommittedWhenHeBegan(t *testing.T) {
	t.Parallel()
	f := open(t, 6)
	f.exec("create table version (n bigint not null)")
	f.exec("insert into version values (0)")
	var committed atomic.Int64
	done := make(chan struct{})
	var writer, readers sync.WaitGroup
	writer.Go(func() {
		for n := int64(1); ; n++ {
			select {
			case <-done:
				return
			default:
			}
			if _, err := f.db.ExecContext(f.ctx, "update version set n = $1", n); err != nil {
				t.Error(err)
				return
			}
			committed.Store(n)
		}
	})
	const readersAtOnce, reads = 64, 150
	for i := range readersAtOnce {
		readers.Go(func() {
			for j := range reads {
				ctx, cancel := f.sharing(), context.CancelFunc(func() {})
				if (i+j)%7 == 0 { // some leave early
					ctx, cancel = context.WithTimeout(ctx, time.Duration(j%5)*300*time.Microsecond)
				}
				before := committed.Load()
				var n int64
				err := f.db.QueryRowContext(ctx, "select n from version").Scan(&n)
				cancel()
				switch {
				case err != nil && ctx.Err() == nil:
					t.Errorf("a reader: %v", err)
					return
				case err == nil && n < before:
					t.Errorf("version %d was read, and %d was committed before", n, before)
					return
				}
			}
		})
	}
	readers.Wait()
	close(done)
	writer.Wait()
	s := f.c.Stats()
	t.Logf("%d versions; %d reads shared %d executions", committed.Load(), s.CoalescedCount+s.ExecutionCount, s.ExecutionCount)
	if s.CoalescedCount < s.ExecutionCount {
		t.Errorf("%d calls were coalesced, and %d executions begun: that proves little", s.CoalescedCount, s.ExecutionCount)
	}
	f.awaitFree()
}

func TestAThousandReadsOf20msShareAnExecutionEach20ms(t *testing.T) {
	t.Parallel()
	f := open(t, 4)
	const callers = 1000
	ctx := f.sharing()
	query := "select count(*), pg_sleep(0.02)::text from generate_series(1, 3)"
	ask := func() (time.Duration, error) {
		began := time.Now()
		var n int
		var slept string
		err := f.db.QueryRowContext(ctx, query).Scan(&n, &slept)
		if err == nil && n != 3 {
			err = fmt.Errorf("got %d", n)
		}
		return time.Since(began), err
	}
	if _, err := ask(); err != nil { // there is a connection
		t.Fatal(err)
	}
	took := make([]time.Duration, callers)
	before := f.c.Stats()
	began := time.Now()
	var all sync.WaitGroup
	for i := range took {
		all.Go(func() {
			var err error
			if took[i], err = ask(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	elapsed := time.Since(began)
	s := f.c.Stats()
	slices.Sort(took)
	executions := s.ExecutionCount - before.ExecutionCount
	t.Logf("%d executions in %s, p50 %s, p99 %s, max %s", executions, elapsed, took[callers/2], took[callers*99/100], took[callers-1])
	if most := uint64(elapsed/(20*time.Millisecond)) + 1; executions > most {
		t.Errorf("%d executions in %s, want at most %d", executions, elapsed, most)
	}
	// Within two executions' time, as TestIdenticalReadsShareOneExecutionThatRunsAndOneThatFollows has it to the nanosecond;
	// by themselves they would take five seconds.
	if worst := took[callers-1]; worst > 2*time.Second {
		t.Errorf("the slowest took %s", worst)
	}
	if s.NewConnsCount != before.NewConnsCount {
		t.Errorf("%d connections were opened for it", s.NewConnsCount-before.NewConnsCount)
	}
}

const manyTypes = `select 1::int2, 2::int4, 3::int8, 1.5::float4, 2.5::float8, 12.34::numeric(10, 2), true, 'a'::text,
	'b'::varchar(7), 'c'::bpchar(3), 'd'::name, e'\\x0102'::bytea, '{"a": 1}'::json, '{"a": 1}'::jsonb, '<a/>'::xml, null::text,
	date '2024-02-29', timestamp '2024-02-29 12:00', timestamptz '2024-02-29 12:00+02', interval '1 day', '{1,2}'::int[],
	'10.0.0.0/8'::cidr, 7::oid, 'd94c4dbb-4b8e-4a40-8d1a-9c1e4d1e4f11'::uuid, b'101'::varbit(5), '(1,2)'::point`

// What is shared looks to database/sql as what is not, to the last detail.
func TestSharedRowsAreAsOthers(t *testing.T) {
	t.Parallel()
	for _, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	} {
		t.Run(mode.String(), func(t *testing.T) {
			f := open(t, 2, func(cfg *poolsql.Config) { cfg.ConnConfig.DefaultQueryExecMode = mode })
			for _, query := range []string{manyTypes, "select", "select 1 where false", "select generate_series(1, 5), $1::text"} {
				var args []any
				if query[len(query)-1] == 't' && len(query) > 20 && query != manyTypes {
					args = []any{"x"}
				}
				alone, aloneTypes := f.everything(f.ctx, query, args)
				shared, sharedTypes := f.everything(f.sharing(), query, args)
				if !reflect.DeepEqual(alone, shared) {
					t.Errorf("%s:\nalone  %#v\nshared %#v", query, alone, shared)
				}
				if !reflect.DeepEqual(aloneTypes, sharedTypes) {
					t.Errorf("%s:\nalone  %v\nshared %v", query, aloneTypes, sharedTypes)
				}
			}
			if n := f.c.Stats().ExecutionCount; n != 4 {
				t.Errorf("%d shared executions, want 4", n)
			}
		})
	}
}

// everything returns all values of a query and all that is known of its columns.
func (f *fixture) everything(ctx context.Context, query string, args []any) (values [][]any, types []string) {
	f.t.Helper()
	rows, err := f.db.QueryContext(ctx, query, args...)
	if err != nil {
		f.t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.ColumnTypes()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, c := range columns {
		length, hasLength := c.Length()
		precision, scale, hasPrecision := c.DecimalSize()
		nullable, hasNullable := c.Nullable()
		types = append(types, fmt.Sprint(c.Name(), c.DatabaseTypeName(), c.ScanType(), length, hasLength, precision, scale,
			hasPrecision, nullable, hasNullable))
	}
	for rows.Next() {
		row := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			f.t.Fatal(err)
		}
		values = append(values, row)
	}
	if rows.NextResultSet() {
		f.t.Error("there is a second result")
	}
	if err := rows.Err(); err != nil {
		f.t.Fatal(err)
	}
	return values, types
}

func TestAnErrorAmongSharedRowsIsWhereItIsAmongOthers(t *testing.T) {
	t.Parallel()
	f := open(t, 2)
	query := "select 6 / (3 - n) from generate_series(1, 5) n"
	look := func(ctx context.Context) (read []int, err error, row error) { //nolint:revive // two errors
		rows, err := f.db.QueryContext(ctx, query)
		if err != nil {
			return nil, err, nil
		}
		for rows.Next() {
			var n int
			if err := rows.Scan(&n); err != nil {
				return nil, err, nil
			}
			read = append(read, n)
		}
		var n int
		return read, rows.Err(), f.db.QueryRowContext(ctx, query).Scan(&n)
	}
	alone, aloneErr, aloneRow := look(f.ctx)
	shared, sharedErr, sharedRow := look(f.sharing())
	if !slices.Equal(alone, shared) {
		t.Errorf("alone %v, shared %v", alone, shared)
	}
	for _, c := range [][2]error{{aloneErr, sharedErr}, {aloneRow, sharedRow}} {
		var a, b *pgconn.PgError
		if errors.As(c[0], &a) != errors.As(c[1], &b) || a != nil && (a.Code != b.Code || a.Code != "22012") {
			t.Errorf("alone %v, shared %v", c[0], c[1])
		}
	}
	f.awaitFree()
}

func TestStatementsOfPrepareShareToo(t *testing.T) {
	t.Parallel()
	f := open(t, 2)
	st, err := f.db.PrepareContext(f.ctx, "select $1::int + 1")
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for range 3 {
		var n int
		if err := st.QueryRowContext(f.sharing(), 41).Scan(&n); err != nil || n != 42 {
			t.Fatal(n, err)
		}
	}
	if n := f.c.Stats().ExecutionCount; n != 3 {
		t.Errorf("%d shared executions, want 3", n)
	}
}

// The server is told to stop when the last caller has left, and when a result is too large for those who share.
func TestTheServerStopsWhenNobodyWaits(t *testing.T) {
	t.Parallel()
	f := patient(t, 1)
	ctx, cancel := context.WithCancel(f.sharing())
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			var s string
			err := f.db.QueryRowContext(ctx, "select pg_sleep(60)::text").Scan(&s)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
	}
	f.awaitSleep(f.outside())
	f.await("all to wait", func() bool { return f.c.Stats().CoalesceWaiting == 3 })
	cancel()
	all.Wait()
	f.awaitFree()
	small := poolsql.WithCoalescing(f.ctx, poolsql.Coalescing{MaxBytes: 1000, AtCap: poolsql.Refuse})
	began := time.Now()
	_, err := f.db.QueryContext(small, "select repeat('x', 100), generate_series(1, 100000000)") //nolint:rowserrcheck,sqlclosecheck // fails
	if !errors.Is(err, poolsql.ErrResultTooLarge) || time.Since(began) > patience {
		t.Errorf("got %v after %s", err, time.Since(began))
	}
	f.awaitFree()
	if s := f.c.Stats(); s.NewConnsCount != 1 {
		t.Errorf("%d connections were opened: a cancel costs none", s.NewConnsCount)
	}
	f.serves(1)
}

// spans is a tracer that keeps what it is told.
type spans struct {
	mu    sync.Mutex // guards what follows
	ended []pooldriver.OperationEnd
	users map[string]int // how many operations began for each
}

type spanKey struct{}

func (s *spans) StartOperation(ctx context.Context, op pooldriver.OperationStart) context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == nil {
		s.users = make(map[string]int)
	}
	s.users[op.User]++
	return context.WithValue(ctx, spanKey{}, op.Kind)
}

func (s *spans) EndOperation(_ context.Context, op pooldriver.OperationEnd) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = append(s.ended, op)
}

func TestATracerFollowsEachCallAndTheExecution(t *testing.T) {
	t.Parallel()
	traced := &spans{}
	f := open(t, 1, func(cfg *poolsql.Config) { cfg.Tracer = traced })
	tx, err := f.db.BeginTx(f.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			var n int
			if err := f.db.QueryRowContext(priority.WithUser(f.sharing(), "ann"), "select 1 from generate_series(1, 7)").Scan(&n); err != nil {
				t.Error(err)
			}
		})
	}
	f.await("all to wait", func() bool { return f.c.Stats().CoalesceWaiting == 3 })
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	shared, queries := 0, 0
	traced.mu.Lock()
	defer traced.mu.Unlock()
	for _, op := range traced.ended {
		switch op.Kind {
		case pooldriver.OpShared:
			shared++
			if op.Rows != 7 || op.Err != nil || op.Duration <= 0 {
				t.Errorf("a call: %+v", op)
			}
		case pooldriver.OpQuery:
			queries++
			if op.Rows != 7 || op.Conn == 0 || op.Wait <= 0 || op.Tries != 1 {
				t.Errorf("the execution: %+v", op)
			}
		}
	}
	if shared != 3 || queries != 1 {
		t.Errorf("%d calls and %d executions were traced, want 3 and 1", shared, queries)
	}
	if f.events.count(lifecycle.KindCoalesced) != 1 {
		t.Error("the observer was not told once")
	}
	if traced.users["ann"] != 4 {
		t.Errorf("of the calls and the execution %d were traced with their user, want 4", traced.users["ann"])
	}
	f.events.mu.Lock()
	defer f.events.mu.Unlock()
	for _, e := range f.events.events {
		if e.Kind == lifecycle.KindCoalesced && e.User != "ann" {
			t.Errorf("the observer was told that %q shared", e.User)
		}
	}
}

// Who has left may do with his arguments what he likes. The race detector looks on.
func TestAnExecutionReadsArgumentsOfItsOwn(t *testing.T) {
	t.Parallel()
	f := open(t, 2)
	for range 50 {
		blob := bytes.Repeat([]byte("a"), 1000)
		ctx, cancel := context.WithTimeout(f.sharing(), 500*time.Microsecond)
		var n int
		_ = f.db.QueryRowContext(ctx, "select length($1::bytea)", blob).Scan(&n) // it may be too late
		for i := range blob {
			blob[i] = 'b'
		}
		cancel()
	}
	f.awaitFree()
}
