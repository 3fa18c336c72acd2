package pooldriver

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/internal/sqltext"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// A Router is a Source that leads to several: a primary and its replicas, say. A session asks it at each binding; what it
// is bound to then is one of these, until the check-in. Safe for concurrent use.
type Router interface {
	Source
	// Route lends a connection for the call from one of the sources, and returns that source, whose affair the connection
	// is from then on. away says that it is one for reads only.
	Route(ctx context.Context, req *lifecycle.Request, call Call) (h lifecycle.Handle[*Conn], from Source, away bool, err error)
	// Elsewhere reports whether a call of a session that is bound to a source for reads only belongs to another one.
	Elsewhere(o *priority.Options, call Call) bool
	// Missed is told that a statement was refused, on a source for reads only, because it writes.
	Missed(text string)
}

// ErrElsewhere is what a source for reads tells those who wait for it, when it does not serve any more: their router has others.
var ErrElsewhere = errors.New("the route does not serve at present")

// A Call is what a [Router] knows of an operation that wants a connection.
type Call struct {
	Kind OperationKind
	// Text is the statement as its caller wrote it.
	Text string
	// Opaque says that something else may be sent than Text: an argument rewrites it.
	Opaque bool
	// Simple says that it may be sent by the simple protocol.
	Simple bool
}

// Reads reports whether it is certain that the call writes nothing, takes no lock and leaves nothing behind with the
// session of the server, as far as its text can tell. What may be meant in two ways is not certain.
func (c Call) Reads() bool {
	switch c.Kind {
	case OpPing:
		return true
	case OpQuery, OpExec, OpPrepare:
		return !c.Opaque && sqltext.Reads(c.Text)
	case OpBegin:
		return c.BeginsReadOnly()
	default:
		return false
	}
}

// BeginsReadOnly reports whether the call begins a transaction that a standby can serve: one that only reads. In a
// serializable one a standby serves nothing.
func (c Call) BeginsReadOnly() bool {
	return c.Kind == OpBegin && strings.HasSuffix(c.Text, "read only") && !strings.Contains(c.Text, "serializable")
}

// rewritten reports whether an argument has another text sent than the one that was given. pgx's named arguments do not
// count: they replace names by numbers.
func rewritten(args []driver.NamedValue) bool {
	for _, a := range args {
		switch a.Value.(type) {
		case pgx.NamedArgs, pgx.StrictNamedArgs:
		case pgx.QueryRewriter:
			return true
		}
	}
	return false
}

// misplaced reports whether an operation of the session belongs elsewhere than where the session is bound, and may go
// there: on the connection that it has, all that ran has only read, and nothing is open.
func (s *Session) misplaced(o *priority.Options, call Call) bool {
	switch {
	case !s.away || !s.clean:
		return false
	case s.inTx || s.conn.raw || s.unread > 0:
		s.clean = !s.conn.raw && (call.Kind.ends() || call.Reads())
		return false
	case s.router.Elsewhere(o, call), o != nil && o.Wrote() != 0 && (s.wrote == 0 || o.Wrote() > s.wrote):
		return s.conn.pg == nil || s.conn.pg.PgConn().TxStatus() == 'I'
	}
	s.clean = call.Reads()
	return false
}

// acquire lends a connection from where the call belongs.
func (s *Session) acquire(ctx context.Context, call Call) (lifecycle.Handle[*Conn], error) {
	if s.router == nil {
		return s.src.Acquire(ctx, &s.req)
	}
	wrote := s.req.Wrote() // before the route is chosen: what is written meanwhile it need not have
	h, from, away, err := s.router.Route(ctx, &s.req, call)
	if err == nil {
		s.src, s.away, s.wrote = from, away, wrote
		s.clean = away && call.Reads()
	}
	return h, err
}

// noteWrite notes that the operation that has ended may have written something, for the calls that must see it. Whether it
// failed does not matter: that may be all that failed.
func (s *Session) noteWrite(o *priority.Options, call Call) {
	if o == nil || o.Bookmark == nil && o.Owner == nil || o.ReadOnly || s.inTx {
		return // nobody asks, or it is there when the transaction ends
	}
	switch call.Kind {
	case OpCommit:
		if !s.txReads {
			o.MarkWrite()
		}
	case OpDo:
		o.MarkWrite()
	case OpExec, OpQuery:
		if !call.Reads() {
			o.MarkWrite()
		}
	}
}

// takeBack takes pgx's connection back from whoever used it himself, and notes that he may have written: under the context of
// his check-out, or of what ran before.
func (s *Session) takeBack() {
	s.conn.takeBack()
	if s.router == nil {
		return
	}
	s.noteWrite(&s.req.Options, Call{Kind: OpDo})
	if s.checkout != nil {
		s.noteWrite(priority.Peek(s.checkout), Call{Kind: OpDo})
	}
}

// refusedToWrite reports whether the server has refused err's statement because the session's source is for reads only,
// and it may run elsewhere: it is no part of a transaction, and the caller did not say himself that it reads.
func (s *Session) refusedToWrite(o *priority.Options, err error) bool {
	return s.away && !s.inTx && (s.ops == 1 || s.clean) && s.unread == 0 && sqlState(err) == codeReadOnly &&
		(o == nil || !o.ReadOnly && o.Route == "")
}
