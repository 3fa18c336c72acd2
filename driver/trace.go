package pooldriver

import (
	"context"
	"errors"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// An OperationKind says what an operation does.
type OperationKind uint8

// The kinds of operations. Statements inside [Session.Conn] are pgx's affair, and no operations.
const (
	OpExec     OperationKind = iota + 1 // runs a statement that returns no rows
	OpQuery                             // runs a statement and lasts until its rows are closed
	OpPrepare                           // prepares a statement
	OpPing                              // makes an empty round trip
	OpBegin                             // begins a transaction
	OpCommit                            // ends one
	OpRollback                          // ends one
	OpDo                                // lends the pgx connection to a function of the caller's
	OpShared                            // waits for the rows of a query that it shares with others; that is an OpQuery of its own
)

var operationNames = [...]string{"", "exec", "query", "prepare", "ping", "begin", "commit", "rollback", "do", "shared query"}

// String returns the kind's name, such as "query".
func (k OperationKind) String() string {
	if int(k) < len(operationNames) {
		return operationNames[k]
	}
	return ""
}

// ends reports whether such an operation ends a transaction.
func (k OperationKind) ends() bool { return k == OpCommit || k == OpRollback }

// limited reports whether the limits of statements are for such an operation.
func (k OperationKind) limited() bool { return !k.ends() && k != OpDo }

// repeatable reports whether an operation of that kind may run again if its caller says so. The end of a transaction is
// the end of that one, and what a function of the caller's has done nobody knows.
func (k OperationKind) repeatable() bool { return k.limited() }

// A Tracer follows each operation from before it waits for a connection until it has ended: to make spans, say. It is
// called on the goroutine of the operation's caller, with no lock held, and must be safe for concurrent use. A panic in it
// is one of the operation.
type Tracer interface {
	// StartOperation is told what is about to run. The operation runs under the context that it returns, which must be
	// derived from ctx; pgx's own tracers see it too.
	StartOperation(ctx context.Context, op OperationStart) context.Context
	// EndOperation is told, once for each start and with the context that this returned, how the operation ended: for a
	// query when its rows are closed, which may be at the check-in.
	EndOperation(ctx context.Context, op OperationEnd)
}

// An OperationStart is what is known of an operation when it begins.
type OperationStart struct {
	Kind OperationKind
	// Pool is the pool's name.
	Pool string
	// SQL is the statement's text as its caller wrote it, with its literals; its arguments are nowhere. It is empty where
	// there is none.
	SQL string
	// Class, Label, Tenant and User are those that its context carries.
	Class               priority.Class
	Label, Tenant, User string
}

// An OperationEnd is how an operation ended.
type OperationEnd struct {
	Kind OperationKind
	// Err is what the caller was told, nil if it went well. The text of a server's error may quote data.
	Err error
	// Code is the SQLSTATE, or another short class of failure; empty if it went well.
	Code string
	// Wait is how long it queued for its connection, 0 if it had one or got one at once; Duration is the whole, Wait included.
	Wait, Duration time.Duration
	// Conn and PID are the connection's id and the server's process id for it; 0 if there was no connection.
	Conn uint64
	PID  uint32
	// Tries is how often it was sent, more than 1 if it was run again.
	Tries int
	// Rows is how many rows were read, -1 if it returns none or that is not known.
	Rows int64
}

// errPanicked is how an operation ended that did not return.
var errPanicked = errors.New("poolsql: a panic went through the operation")

// A trace is an operation that a tracer follows. It is nil where none does.
type trace struct {
	tracer Tracer
	ctx    context.Context
	began  mono.Time
	op     OperationEnd
	over   bool // the tracer was told of the end, whatever became of that
}

// traced is operation with somebody who follows it. His panic costs the connection, as every panic in an operation does:
// whoever recovers it may never check the session in.
func (s *Session) traced(ctx context.Context, o *priority.Options, call Call, f work) error {
	kind := call.Kind
	start := OperationStart{Kind: kind, Pool: s.opts.Pool}
	if kind <= OpPrepare {
		start.SQL = call.Text
	}
	if o != nil {
		start.Class, start.Label, start.Tenant, start.User = o.Class, o.Label, o.Tenant, o.User
	}
	t := &trace{tracer: s.opts.Tracer, began: mono.Now(), op: OperationEnd{Kind: kind, Rows: -1}}
	outer := s.trace // rows are read while another statement runs
	returned := false
	defer func() {
		mine := s.trace == t
		s.trace = outer
		if returned {
			return
		}
		defer s.abandon()
		if mine {
			t.end(errPanicked)
		}
	}()
	t.ctx = t.tracer.StartOperation(ctx, start)
	s.trace = t
	err := s.operate(t.ctx, priority.Peek(t.ctx), call, f)
	if s.trace == t { // no rows took it over
		t.end(err)
	}
	returned = true
	return err
}

// on notes the connection that the operation is tried on.
func (t *trace) on(s *Session) {
	t.op.Conn, t.op.PID = s.h.ID(), s.conn.pid
	t.op.Tries++
}

// end tells the tracer how it ended, once.
func (t *trace) end(err error) {
	if t.over {
		return
	}
	t.over = true
	t.op.Err, t.op.Duration = err, mono.Since(t.began)
	if err != nil {
		t.op.Code = codeOf(err)
		var refused *lifecycle.AcquireError
		if errors.As(err, &refused) {
			t.op.Wait += refused.Refused.Waited
		}
	}
	t.tracer.EndOperation(t.ctx, t.op)
}
