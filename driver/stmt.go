package pooldriver

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// prepared is a statement that one connection has prepared.
type prepared struct {
	sql    string
	inputs int
	stale  bool        // the server's plan does not fit the tables any more, or the server has forgotten it
	inner  driver.Stmt // of an inner driver other than pgx
}

// A stmt is a virtual statement: its text. Each connection that it runs on prepares it once.
type stmt struct {
	session *Session
	query   string
	inputs  int
	named   bool // may be prepared by name
}

// Close does nothing: what connections have prepared stays until they need the room. It may run under database/sql's
// global lock.
func (st *stmt) Close() error { return nil }

// NumInput returns the number of parameters, -1 where the inner driver is the one to check them.
func (st *stmt) NumInput() int { return st.inputs }

// Exec implements driver.Stmt, whose users all prefer ExecContext.
func (st *stmt) Exec([]driver.Value) (driver.Result, error) {
	return nil, errors.New("poolsql: Stmt.Exec is not implemented: use ExecContext")
}

// Query implements driver.Stmt, whose users all prefer QueryContext.
func (st *stmt) Query([]driver.Value) (driver.Rows, error) {
	return nil, errors.New("poolsql: Stmt.Query is not implemented: use QueryContext")
}

func (st *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return st.session.exec(ctx, st.query, args, st)
}

func (st *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return st.session.query(ctx, st.query, args, st)
}

// prepare prepares query for a caller who asked for it, and returns its virtual statement.
func (c *Conn) prepare(ctx context.Context, s *Session, query string) (*stmt, error) {
	st := &stmt{session: s, query: query, inputs: -1, named: c.named}
	if c.pg == nil {
		_, err := c.innerStmt(ctx, query)
		return st, err
	}
	if c.named {
		p, err := c.prepareNamed(ctx, query)
		if err == nil {
			st.inputs = p.inputs
		}
		return st, err
	}
	// In the modes for servers that may not keep statements by name, the unnamed one tells the parameters and the errors.
	sd, err := c.pg.Prepare(ctx, "", query)
	if err == nil {
		st.inputs = len(sd.ParamOIDs)
	}
	return st, c.harmless(ctx, err)
}

// prepareNamed sees to it that pgx knows query as a prepared statement.
func (c *Conn) prepareNamed(ctx context.Context, query string) (*prepared, error) {
	p := c.stmts.get(query)
	if p != nil && !p.stale {
		return p, nil
	}
	if p != nil {
		if err := c.forget(ctx, query); err != nil {
			return nil, err
		}
	}
	sd, err := c.pg.Prepare(ctx, query, query)
	if err != nil {
		return nil, c.harmless(ctx, err)
	}
	p = &prepared{inputs: len(sd.ParamOIDs)}
	c.stmts.put(query, p)
	for old := c.stmts.surplus(); old != nil; old = c.stmts.surplus() {
		if err := c.pg.Deallocate(ctx, old.sql); err != nil { // so it is there still, and has to go next time
			return nil, err
		}
		c.stmts.evict(old)
	}
	return p, nil
}

// forget drops query here and on the server.
func (c *Conn) forget(ctx context.Context, query string) error {
	if err := c.pg.Deallocate(ctx, query); err != nil {
		return err
	}
	c.stmts.drop(query)
	c.stmts.invalidations.Add(1)
	return nil
}

// beforeRun prepares query where the mode has statements prepared without being asked. It leaves alone what begins with
// one of pgx's options, or, if simple is set, has no arguments: pgx sends that by the simple protocol, which may hold
// several statements.
func (c *Conn) beforeRun(ctx context.Context, query string, args []driver.NamedValue, simple bool) error {
	if !c.named || query == "" {
		return nil
	}
	if simple && len(args) == 0 {
		if e := c.stmts.entries[query]; e != nil && e.Value.(*prepared).stale {
			return c.forget(ctx, query) // else pgx would run it, as it knows the text
		}
		return nil
	}
	if len(args) > 0 {
		switch args[0].Value.(type) {
		case pgx.QueryExecMode, pgx.QueryRewriter, pgx.QueryResultFormats, pgx.QueryResultFormatsByOID:
			return nil
		}
	}
	_, err := c.prepareNamed(ctx, query)
	return err
}

// notePlan reports whether err says that what was known of query is of no use any more, so that it should be run again,
// and marks it so. The server finds that before it runs anything. In a transaction there is no use in trying again.
func (c *Conn) notePlan(query string, err error) bool {
	return err != nil && c.pg != nil && c.refusedPlan(query, err)
}

func (c *Conn) refusedPlan(query string, err error) bool {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) {
		return false
	}
	e := c.stmts.entries[query]
	again := false
	switch pgErr.Routine { // names of the server's functions: its texts are translated, and the SQLSTATEs are shared with other errors
	case "RevalidateCachedQuery", "FetchPreparedStatement":
		again = e != nil
	case "PortalSetResultFormat": // other columns than pgx had described to it, which this error made it forget
		again = e == nil
	}
	// An error of class 42 is about what the text means now: a prepared statement keeps the types that its parameters had
	// when it was prepared, and so may go on failing where the same text, prepared anew, does not.
	if e != nil && (again || strings.HasPrefix(pgErr.Code, "42")) {
		e.Value.(*prepared).stale = true
	}
	return again && !begun(pgErr) && c.pg.PgConn().TxStatus() == 'I'
}

// begun reports whether the server may have met the error inside a function or procedure: then the statement has begun,
// and a procedure may have committed something. Of what a statement runs inside, the server tells by at least two lines of
// context; of the statement itself by none, or by one with its parameters, where it is set up to do so.
func begun(err *pgconn.PgError) bool {
	return err.Where != "" && (strings.Contains(err.Where, "\n") || !strings.Contains(err.Where, "$1 = "))
}

// unnamedArgs is args for a statement that may not be prepared by name: run with its parameters described first, so that
// their types are the server's, as a prepared statement's are.
func unnamedArgs(c *Conn, args []driver.NamedValue) []driver.NamedValue {
	mode := pgx.QueryExecModeCacheDescribe
	if !c.describes {
		mode = pgx.QueryExecModeDescribeExec
	}
	with := make([]driver.NamedValue, 0, 1+len(args))
	with = append(with, driver.NamedValue{Value: mode})
	return append(with, args...)
}
