package connector_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql/connector"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// state is an error with a SQLSTATE that is not pgx's, as other drivers have.
type state string

func (s state) Error() string    { return "the server says " + string(s) }
func (s state) SQLState() string { return string(s) }

func fatal(code string) error {
	return &pgconn.PgError{Severity: "FATAL", Code: code, Message: "enough"}
}
func refusal(code string) error {
	return &pgconn.PgError{Severity: "ERROR", Code: code, Message: "no"}
}

var errMine = errors.New("the function's own")

func TestWhatACommitAnswersDecidesWhetherTheFunctionRunsAgain(t *testing.T) {
	const once, twice = 1, 2
	unknown := &pooldriver.CommitError{Conn: 7, PID: 8, Err: io.EOF}
	for _, c := range []struct {
		name   string
		answer error
		runs   int
		want   error // nil if RunTx succeeds at last
	}{
		{"serialization failure", refusal("40001"), twice, nil},
		{"deadlock", refusal("40P01"), twice, nil},
		{"another driver's serialization failure, wrapped", fmt.Errorf("commit: %w", state("40001")), twice, nil},
		{"connection lost before", &pooldriver.LostError{}, twice, nil},
		{"said to be lost before by what may be wrong", &pooldriver.LostError{Err: pgconn.ErrConnClosed}, once, pooldriver.ErrCommitUnknown},
		{"unknown", unknown, once, unknown},
		{"unknown, though for a reason that is repeated elsewhere", &pooldriver.CommitError{Err: fatal("57P01")}, once, pooldriver.ErrCommitUnknown},
		{"cut off", io.ErrUnexpectedEOF, once, pooldriver.ErrCommitUnknown},
		{"cut off, though pgx says that nothing was sent", pgconn.ErrConnClosed, once, pooldriver.ErrCommitUnknown},
		{"reset", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, once, pooldriver.ErrCommitUnknown},
		{"something else", errMine, once, pooldriver.ErrCommitUnknown},
		{"server shut down", fatal("57P01"), once, pooldriver.ErrCommitUnknown},
		{"server shut down, says another driver", state("57P01"), once, pooldriver.ErrCommitUnknown},
		{"server broken", fatal("XX000"), once, pooldriver.ErrCommitUnknown},
		{"the server does not know either", refusal("40003"), once, pooldriver.ErrCommitUnknown},
		{"constraint", refusal("23505"), once, refusal("23505")},
		{"rolled back", pgx.ErrTxCommitRollback, once, pgx.ErrTxCommitRollback},
		{"ended before", pgx.ErrTxClosed, once, connector.ErrTxEnded},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &scripted{}
			s.each(t, func(t *testing.T, db *sql.DB) {
				s.answer = first("commit", c.answer)
				runs := 0
				err := connector.RunTx(t.Context(), db, connector.TxOptions{}, func(context.Context, *sql.Tx) error {
					runs++
					return nil
				})
				if runs != c.runs {
					t.Errorf("the function ran %d times, want %d", runs, c.runs)
				}
				switch {
				case c.want == nil && err != nil:
					t.Error(err)
				case c.want == nil:
				case refusedAlike(err, c.want):
				case !errors.Is(err, c.want) || !errors.Is(err, c.answer) && c.want != connector.ErrTxEnded:
					t.Errorf("%v, want one that is %v and %v", err, c.want, c.answer)
				}
				if errors.Is(err, pooldriver.ErrCommitUnknown) && !strings.Contains(err.Error(), "look for what it wrote before doing it again") {
					t.Errorf("the error does not say what to do: %v", err)
				}
			})
		})
	}
}

// refusedAlike reports whether err is the server's own answer, as it was.
func refusedAlike(err, want error) bool {
	got, ok := err.(*pgconn.PgError)
	w, also := want.(*pgconn.PgError)
	return ok && also && got.Code == w.Code
}

func TestABadConnectionAtCommitIsNotTrusted(t *testing.T) {
	s := &scripted{answer: first("commit", driver.ErrBadConn)} // what some drivers say when COMMIT was cut off
	db := sql.OpenDB(s)
	defer db.Close()
	err := connector.RunTx(t.Context(), db, connector.TxOptions{}, func(context.Context, *sql.Tx) error { return nil })
	if !errors.Is(err, pooldriver.ErrCommitUnknown) || s.count("commit") != 1 {
		t.Errorf("%v after %v", err, s.noted())
	}
}

func TestWhatTheFunctionReturnsDecidesWhetherItRunsAgain(t *testing.T) {
	t.Parallel()
	const once, twice = 1, 2
	conflict := refusal("40001")
	for _, c := range []struct {
		name     string
		err      error
		rollback error
		runs     int
	}{
		{"its own", errMine, nil, once},
		{"serialization failure", conflict, nil, twice},
		{"wrapped and joined to another state", fmt.Errorf("x: %w", errors.Join(refusal("23505"), fmt.Errorf("y: %w", state("40P01")))), nil, twice},
		{"constraint", refusal("23505"), nil, once},
		{"lost before the statement", fmt.Errorf("x: %w", &pooldriver.LostError{}), nil, twice},
		{"server shut down", fatal("57P01"), io.EOF, twice},
		{"server crashed", fatal("57P02"), io.EOF, twice},
		{"server starts", state("57P03"), io.EOF, twice},
		{"connection failure", state("08006"), io.EOF, twice},
		{"bad connection", driver.ErrBadConn, io.EOF, twice},
		{"closed connection", pgconn.ErrConnClosed, io.EOF, twice},
		{"cut off", io.ErrUnexpectedEOF, io.EOF, twice},
		{"cut off elsewhere", io.ErrUnexpectedEOF, nil, once},
		{"reset", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, io.EOF, twice},
		{"reset elsewhere", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, nil, once},
		{"wrong number of arguments", state("08P01"), nil, once},
		{"killed by a proxy", state("08P01"), io.EOF, twice},
		{"lost while its answer was awaited", &pooldriver.UnknownError{Err: errors.New("the connection was lost")}, io.EOF, twice},
		{"the same elsewhere", &pooldriver.UnknownError{Err: errors.New("the connection was lost")}, nil, once},
		{"timeout that cost the connection", &pooldriver.TimeoutError{Interruption: pooldriver.Interruption{Closed: true, Err: io.EOF}}, io.EOF, once},
		{"canceled", &pooldriver.CanceledError{Interruption: pooldriver.Interruption{Closed: true, Err: io.EOF}}, io.EOF, once},
		{"connection closed by a cancel", errors.Join(context.Canceled, pgconn.ErrConnClosed), io.EOF, once},
		{"commit of another", fmt.Errorf("x: %w", &pooldriver.CommitError{Err: conflict}), nil, once},
		{"attempts of another", fmt.Errorf("x: %w", &connector.TxRetryError{Err: conflict}), nil, once},
		{"no connection to another", &lifecycle.AcquireError{Refused: &priority.RefusedError{Cause: state("57P03")}}, nil, once},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &scripted{}
			s.each(t, func(t *testing.T, db *sql.DB) {
				s.answer = first("rollback", c.rollback)
				runs := 0
				err := connector.RunTx(t.Context(), db, connector.TxOptions{}, func(context.Context, *sql.Tx) error {
					if runs++; runs == 1 {
						return c.err
					}
					return nil
				})
				if runs != c.runs {
					t.Errorf("the function ran %d times, want %d", runs, c.runs)
				}
				switch {
				case runs == twice && err != nil:
					t.Error(err)
				case runs == once && err != c.err:
					t.Errorf("%v, want %v as it is", err, c.err)
				}
			})
		})
	}
}

func TestARollbackThatFailedIsAddedToTheFunctionsError(t *testing.T) {
	s := &scripted{answer: first("rollback", io.ErrClosedPipe)}
	db := sql.OpenDB(s)
	defer db.Close()
	err := connector.RunTx(t.Context(), db, connector.TxOptions{}, func(context.Context, *sql.Tx) error { return errMine })
	if !errors.Is(err, errMine) || !errors.Is(err, io.ErrClosedPipe) || !strings.HasPrefix(err.Error(), errMine.Error()) {
		t.Error(err)
	}
}

func TestWithoutAConnectionTheFunctionDoesNotRunAndNothingIsTriedAgain(t *testing.T) {
	db, err := connector.Open(connector.Config{Connector: &scripted{answer: func(string) error { return fatal("57P03") }}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = connector.RunTx(t.Context(), db, connector.TxOptions{}, func(context.Context, *sql.Tx) error {
		t.Error("the function ran")
		return nil
	})
	if _, ok := err.(*lifecycle.AcquireError); !ok || !errors.Is(err, priority.ErrUnavailable) {
		t.Errorf("%T %v, want the pool's own error", err, err)
	}
}

func TestABeginThatMeetsADeadConnectionIsTriedAgain(t *testing.T) {
	s := &scripted{answer: first("begin", fatal("57P01"))}
	s.each(t, func(t *testing.T, db *sql.DB) {
		if err := connector.RunTx(t.Context(), db, connector.TxOptions{}, func(context.Context, *sql.Tx) error { return nil }); err != nil {
			t.Error(err)
		}
	})
}

// The pool is closed between the first attempt and the second.
func TestNoConnectionForALaterAttemptTellsWhyThereWasOne(t *testing.T) {
	db, err := connector.Open(connector.Config{Connector: &scripted{}})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := connector.FromDB(db)
	err = connector.RunTx(t.Context(), db, connector.TxOptions{}, func(context.Context, *sql.Tx) error {
		c.Close()
		return state("40001")
	})
	var gaveUp *connector.TxRetryError
	if !errors.As(err, &gaveUp) || gaveUp.Attempts != 1 || gaveUp.Err != state("40001") || !errors.Is(err, priority.ErrClosed) {
		t.Errorf("%v", err)
	}
	db.Close()
	<-c.Done()
}

func TestAttemptsAreCountedPausedBetweenAndGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{}
		db := sql.OpenDB(s)
		defer db.Close()
		var slowest time.Duration
		for range 50 {
			began, numbers := time.Now(), ""
			err := connector.RunTx(t.Context(), db, connector.TxOptions{}, func(ctx context.Context, _ *sql.Tx) error {
				numbers += fmt.Sprint(connector.Attempt(ctx), " ")
				return fmt.Errorf("debit: %w", state("40001"))
			})
			var gaveUp *connector.TxRetryError
			if !errors.As(err, &gaveUp) || gaveUp.Attempts != 10 || gaveUp.Elapsed != time.Since(began) || gaveUp.Stopped != nil {
				t.Fatalf("%#v", err)
			}
			if want := fmt.Sprintf("poolsql: RunTx gave up after 10 attempts in %s; nothing was committed; the last attempt failed with: "+
				"debit: the server says 40001; keep the transactions that conflict short", gaveUp.Elapsed.Round(time.Microsecond)); !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			if numbers != "1 2 3 4 5 6 7 8 9 10 " {
				t.Errorf("attempts %s", numbers)
			}
			slowest = max(slowest, gaveUp.Elapsed)
		}
		// Nine pauses of at most 5, 10, 20, 40, 80, 160, 320, 640 and 1000 ms. That 50 sums drawn evenly all stay below
		// half of that has a chance of less than one in 2^50.
		if longest := 2275 * time.Millisecond; slowest > longest || slowest < longest/2 {
			t.Errorf("slowest %s, want between %s and %s", slowest, longest/2, longest)
		}
		err := connector.RunTx(t.Context(), db, connector.TxOptions{MaxAttempts: 1}, func(context.Context, *sql.Tx) error { return state("40001") })
		if err != state("40001") {
			t.Errorf("without repetition: %v, want the error as it is", err)
		}
	})
}

func TestNoPauseGoesPastTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := sql.OpenDB(&scripted{})
		defer db.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		err := connector.RunTx(ctx, db, connector.TxOptions{MaxAttempts: 1e6}, func(context.Context, *sql.Tx) error { return state("40P01") })
		var gaveUp *connector.TxRetryError
		if !errors.As(err, &gaveUp) || gaveUp.Err != state("40P01") || !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			t.Errorf("%v (context: %v)", err, ctx.Err())
		}
		for _, want := range []string{"the context's deadline is in ", "within the pause of ", "the server says 40P01", "same order"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the error does not say %q: %v", want, err)
			}
		}
	})
}

func TestACancelEndsThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := sql.OpenDB(&scripted{})
		defer db.Close()
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		time.AfterFunc(20*time.Second, func() { cancel(errMine) })
		began := time.Now()
		err := connector.RunTx(ctx, db, connector.TxOptions{MaxAttempts: 1e6}, func(context.Context, *sql.Tx) error { return state("40001") })
		if !errors.Is(err, context.Canceled) || !errors.Is(err, errMine) || !errors.Is(err, state("40001")) {
			t.Errorf("%v", err)
		}
		if took := time.Since(began); took != 20*time.Second {
			t.Errorf("ended after %s, want 20 s", took)
		}
	})
}
