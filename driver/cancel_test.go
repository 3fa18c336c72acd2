package pooldriver_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/poolsql/poolsql"
	pooldriver "github.com/poolsql/poolsql/driver"
)

// pid returns the server process of the connection that the next statement gets.
func (f *fixture) pid() (pid int) {
	f.t.Helper()
	if err := f.db.QueryRowContext(f.ctx, "select pg_backend_pid()").Scan(&pid); err != nil {
		f.t.Fatal(err)
	}
	return pid
}

func TestCanceledStatementKeepsItsConnection(t *testing.T) {
	t.Parallel()
	f := patient(t, 1)
	before := f.pid()
	ctx := poolsql.WithTimeout(f.ctx, 30*time.Millisecond)
	_, err := f.db.ExecContext(ctx, "select pg_sleep(60)")
	var timeout *pooldriver.TimeoutError
	if !errors.As(err, &timeout) || timeout.Limit != pooldriver.LimitStatement || timeout.Closed {
		t.Fatalf("a statement that takes too long: %v", err)
	}
	t.Log(err)
	if after := f.pid(); after != before {
		t.Errorf("process %d serves, %d did before", after, before)
	}
	canceled, cancel := context.WithCancel(f.ctx)
	time.AfterFunc(30*time.Millisecond, cancel)
	_, err = f.db.ExecContext(canceled, "select pg_sleep(60)")
	var left *pooldriver.CanceledError
	if !errors.As(err, &left) || left.Closed || !errors.Is(err, context.Canceled) {
		t.Fatalf("a statement whose caller left: %v", err)
	}
	t.Log(err)
	if after := f.pid(); after != before {
		t.Errorf("process %d serves, %d did before", after, before)
	}
	if n := f.c.Stats().NewConnsCount; n != 1 {
		t.Errorf("%d connections were opened", n)
	}
}
