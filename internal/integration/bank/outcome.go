package bank

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"

	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/lifecycle"
)

// An Outcome is what a caller was told of its transfer.
type Outcome uint8

// The outcomes. The zero value is no evidence for any of them.
const (
	Done    Outcome = iota + 1 // acknowledged
	NotDone                    // refused, rolled back, or never sent
	Unknown                    // it may have been done or not
)

// String returns the outcome in words.
func (o Outcome) String() string {
	switch o {
	case Done:
		return "done"
	case NotDone:
		return "not done"
	case Unknown:
		return "unknown"
	default:
		return fmt.Sprintf("Outcome(%d)", uint8(o))
	}
}

// judge reads from an error what the library promises about the statement, or the COMMIT, that it is the error of.
func judge(err error) Outcome {
	if err == nil {
		return Done
	}
	// As they are, these come from database/sql, before the driver is asked. Wrapped in something, they may be the end
	// of anything.
	if err == context.Canceled || err == context.DeadlineExceeded {
		return NotDone
	}
	if o := evidence(err); o != 0 {
		return o
	}
	return Unknown
}

// evidence looks for what an error, or any that it wraps, says for certain. One doubt outweighs every certainty: a statement
// that was run twice may have been lost the first time and refused the second.
func evidence(err error) Outcome {
	switch e := err.(type) {
	case *lifecycle.AcquireError, *pooldriver.LostError:
		return NotDone // whatever they wrap happened to somebody else
	case *pooldriver.CommitError, *pooldriver.UnknownError:
		return Unknown
	case *pooldriver.TimeoutError:
		return ofInterruption(&e.Interruption)
	case *pooldriver.CanceledError:
		return ofInterruption(&e.Interruption)
	case *pooldriver.RetryError:
		return ofRetries(e)
	case *pgconn.PgError:
		if sessionLost(e) {
			return Unknown
		}
		return NotDone
	}
	if err == sql.ErrTxDone || err == sql.ErrConnDone || err == pooldriver.ErrBusy {
		return NotDone
	}
	if e, ok := err.(interface{ SafeToRetry() bool }); ok { // whatever it wraps, as errors.As has it
		if e.SafeToRetry() {
			return NotDone
		}
		return Unknown
	}
	if err == context.Canceled || err == context.DeadlineExceeded {
		return 0
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return evidence(e.Unwrap())
	case interface{ Unwrap() []error }:
		var sum Outcome
		for _, inner := range e.Unwrap() {
			sum = max(sum, evidence(inner))
		}
		return sum
	default:
		return Unknown // the network's own word
	}
}

func ofInterruption(i *pooldriver.Interruption) Outcome {
	if i.Closed && !i.Unsent {
		return Unknown
	}
	return NotDone
}

// ofRetries is what is certain of a statement that was tried several times. Of the tries between the first and the last the
// error says nothing but whether any try was sent.
func ofRetries(e *pooldriver.RetryError) Outcome {
	switch {
	case e.SafeToRetry():
		return NotDone
	case e.Tries > 2:
		return Unknown
	default:
		return max(evidence(e.First), evidence(e.Err))
	}
}

// sessionLost reports whether the server said that it ends the session, or the connection was lost: it may have committed
// before. Any other answer says that the statement was rolled back.
func sessionLost(e *pgconn.PgError) bool {
	switch e.Code {
	case "57P01", "57P02", "57P03": // admin_shutdown, crash_shutdown, cannot_connect_now
		return true
	default:
		return len(e.Code) == 5 && e.Code[:2] == "08"
	}
}

// told reports whether err, after which the outcome is unknown, says so, and does not leave its reader to guess it from what
// the network said. A context's error alone says nothing; database/sql returns it for rows whatever the driver has to say.
func told(err error) bool {
	var (
		lost     *pooldriver.UnknownError
		late     *pooldriver.TimeoutError
		canceled *pooldriver.CanceledError
		ended    *pgconn.PgError // the session was
	)
	return errors.Is(err, pooldriver.ErrCommitUnknown) || errors.As(err, &lost) || errors.As(err, &late) ||
		errors.As(err, &canceled) || errors.As(err, &ended) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
