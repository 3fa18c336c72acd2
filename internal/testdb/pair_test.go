package testdb_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql/internal/testdb"
)

func TestStandbyHasWhatThePrimaryCommittedOnceItHasCaughtUp(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	p := testdb.Replicated(t, "max_connections = 12")
	primary, standby := connect(t, p.PrimaryDSN()), connect(t, p.StandbyDSN())
	defer primary.Close(t.Context())
	defer standby.Close(t.Context())
	exec(t, primary, "create table kept (n int)")
	for n := range 20 {
		if n == 10 { // from here on nobody else flushes what is committed
			exec(t, primary, "set synchronous_commit = off")
		}
		exec(t, primary, fmt.Sprintf("insert into kept values (%d)", n))
		if err := p.CaughtUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := query(t, standby, "select max(n)::text from kept"); got != fmt.Sprint(n) {
			t.Fatalf("the standby has %s, want %d", got, n)
		}
	}
	_, err := standby.Exec(t.Context(), "insert into kept values (0)")
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "25006" {
		t.Errorf("a write on the standby got %v, want 25006", err)
	}
	for _, conn := range []*pgx.Conn{primary, standby} {
		if got := query(t, conn, "show max_connections"); got != "12" {
			t.Errorf("max_connections is %s, want the test's setting 12", got)
		}
	}
	for _, s := range []*testdb.Server{p.Primary(), p.Standby()} {
		for _, dsn := range []string{s.DSN(), s.TCPDSN()} {
			connect(t, dsn).Close(t.Context())
		}
	}
}

func TestPairFindsItselfAgainAfterARestartOfEither(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	p := testdb.Replicated(t)
	write(t, p.PrimaryDSN(), "create table kept (n int)")
	for _, s := range []*testdb.Server{p.Primary(), p.Standby()} {
		for _, mode := range []testdb.StopMode{testdb.Fast, testdb.Immediate} {
			if err := s.Restart(t.Context(), mode); err != nil {
				t.Fatal(err)
			}
			write(t, p.PrimaryDSN(), "insert into kept values (1)")
			if err := p.CaughtUp(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := p.Standby().Stop(t.Context(), testdb.Fast); err != nil {
		t.Fatal(err)
	}
	write(t, p.PrimaryDSN(), "insert into kept values (1)")
	if err := p.CaughtUp(t.Context()); err == nil {
		t.Error("a standby that is stopped caught up")
	}
	if err := p.Standby().Restart(t.Context(), testdb.Fast); err != nil {
		t.Fatal(err)
	}
	if err := p.CaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	standby := connect(t, p.StandbyDSN())
	defer standby.Close(t.Context())
	if got := query(t, standby, "select count(*)::text from kept"); got != "5" {
		t.Errorf("the standby has %s rows, want 5", got)
	}
}

func TestOneURLReachesWhicheverServerIsWritable(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	p := testdb.Replicated(t)
	dsn := p.DSN("target_session_attrs=read-write", "application_name=both")
	before := connect(t, dsn)
	defer before.Close(t.Context())
	exec(t, before, "create table kept (n int)")
	if got := query(t, before, "show application_name"); got != "both" {
		t.Errorf("application_name is %q, want the parameter", got)
	}
	reader := connect(t, p.StandbyDSN())
	defer reader.Close(t.Context())

	if err := p.CaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Primary().Stop(t.Context(), testdb.Immediate); err != nil {
		t.Fatal(err)
	}
	if err := p.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	exec(t, reader, "insert into kept values (1)") // its session stayed
	write(t, dsn, "insert into kept values (2)")
	if got := query(t, reader, "select count(*)::text from kept"); got != "2" {
		t.Errorf("the new primary has %s rows, want 2", got)
	}
	if err := p.Promote(t.Context()); err == nil {
		t.Error("promoted twice")
	}
	if err := p.Primary().Restart(t.Context(), testdb.Fast); err != nil {
		t.Fatal(err)
	}
	if err := p.CaughtUp(t.Context()); err == nil || !strings.Contains(err.Error(), "promoted") {
		t.Errorf("a standby that was promoted: %v", err)
	}
}

func TestSynchronousPairLosesNoAcknowledgedCommit(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	p := testdb.Replicated(t, testdb.Synchronous)
	write(t, p.PrimaryDSN(), "create table kept (n int)")
	acknowledged := make(chan int)
	begun := make(chan struct{})
	go func() {
		acknowledged <- insertUntilItFails(t, p.PrimaryDSN(), 50, begun)
	}()
	<-begun
	if err := p.Primary().Stop(t.Context(), testdb.Immediate); err != nil {
		t.Fatal(err)
	}
	last := <-acknowledged
	if err := p.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	standby := connect(t, p.StandbyDSN())
	defer standby.Close(t.Context())
	var got int
	if err := standby.QueryRow(t.Context(), "select max(n) from kept").Scan(&got); err != nil {
		t.Fatal(err)
	}
	if got < last || got > last+1 { // the one that broke off may be there
		t.Errorf("the new primary has up to %d, acknowledged were %d", got, last)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := standby.Exec(ctx, "insert into kept values (0)"); err != nil {
		t.Errorf("the new primary waits for a standby: %v", err)
	}
}

func TestSynchronousCommitWaitsForTheStandby(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	p := testdb.Replicated(t, testdb.Synchronous)
	write(t, p.PrimaryDSN(), "create table kept (n int)")
	if err := p.Standby().Stop(t.Context(), testdb.Fast); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() {
		conn, err := pgx.Connect(t.Context(), p.PrimaryDSN("application_name=waiter"))
		if err == nil {
			defer conn.Close(t.Context())
			_, err = conn.Exec(t.Context(), "insert into kept values (1)")
		}
		written <- err
	}()
	side := connect(t, p.PrimaryDSN())
	defer side.Close(t.Context())
	waitFor(t, func() bool {
		return query(t, side, "select count(*)::text from pg_stat_activity where application_name = 'waiter' and wait_event = 'SyncRep'") == "1"
	})
	select {
	case err := <-written:
		t.Fatalf("the commit ended without the standby: %v", err)
	default:
	}
	if err := p.Standby().Restart(t.Context(), testdb.Fast); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

func TestWaitingForTheStandbyEndsWithTheContext(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	p := testdb.Replicated(t)
	side := connect(t, p.Standby().DSN())
	defer side.Close(t.Context())
	exec(t, side, "select pg_wal_replay_pause()")
	waitFor(t, func() bool { return query(t, side, "select pg_is_wal_replay_paused()::text") == "true" })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.CaughtUp(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want context.DeadlineExceeded", err)
	}
	exec(t, side, "select pg_wal_replay_resume()")
	if err := p.CaughtUp(t.Context()); err != nil {
		t.Error(err)
	}
}

// insertUntilItFails returns the last number that was acknowledged, and closes
// begun after some.
func insertUntilItFails(t *testing.T, dsn string, some int, begun chan<- struct{}) int {
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Error(err)
		close(begun)
		return 0
	}
	defer conn.Close(t.Context())
	for n := 1; ; n++ {
		if _, err := conn.Exec(t.Context(), "insert into kept values ($1)", n); err != nil {
			if n <= some {
				t.Error(err)
				close(begun)
			}
			return n - 1
		}
		if n == some {
			close(begun)
		}
	}
}

func write(t *testing.T, dsn, sql string) {
	t.Helper()
	conn := connect(t, dsn)
	defer conn.Close(t.Context())
	exec(t, conn, sql)
}
