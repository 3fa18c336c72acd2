package pooldriver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
)

// capabilities are the optional interfaces of an inner connection other than pgx's, asked for once. nil where it lacks
// one. What database/sql does for drivers that lack some is done here, since database/sql sees a session that has all.
type capabilities struct {
	execer    driver.ExecerContext
	oldExecer driver.Execer //nolint:staticcheck // drivers of that age still have it
	queryer   driver.QueryerContext
	oldQuery  driver.Queryer //nolint:staticcheck // drivers of that age still have it
	preparer  driver.ConnPrepareContext
	beginner  driver.ConnBeginTx
	pinger    driver.Pinger
	resetter  driver.SessionResetter
	validator driver.Validator
	checker   driver.NamedValueChecker
}

func capabilitiesOf(c driver.Conn) capabilities {
	var can capabilities
	can.execer, _ = c.(driver.ExecerContext)
	can.oldExecer, _ = c.(driver.Execer) //nolint:staticcheck // as above
	can.queryer, _ = c.(driver.QueryerContext)
	can.oldQuery, _ = c.(driver.Queryer) //nolint:staticcheck // as above
	can.preparer, _ = c.(driver.ConnPrepareContext)
	can.beginner, _ = c.(driver.ConnBeginTx)
	can.pinger, _ = c.(driver.Pinger)
	can.resetter, _ = c.(driver.SessionResetter)
	can.validator, _ = c.(driver.Validator)
	can.checker, _ = c.(driver.NamedValueChecker)
	return can
}

// ping pings, if the inner driver can.
func (can *capabilities) ping(ctx context.Context) error {
	if can.pinger == nil {
		return nil
	}
	return can.pinger.Ping(ctx)
}

// begin begins a transaction. A driver that takes no options can only begin the default one.
func (can *capabilities) begin(ctx context.Context, c driver.Conn, opts driver.TxOptions) (driver.Tx, error) {
	if can.beginner != nil {
		return can.beginner.BeginTx(ctx, opts)
	}
	if sql.IsolationLevel(opts.Isolation) != sql.LevelDefault {
		return nil, errors.New("sql: driver does not support non-default isolation level")
	}
	if opts.ReadOnly {
		return nil, errors.New("sql: driver does not support read-only transactions")
	}
	tx, err := c.Begin() //nolint:staticcheck // all that this driver has
	if err == nil && ctx.Err() != nil {
		return nil, errors.Join(ctx.Err(), tx.Rollback())
	}
	return tx, err
}

// innerStmt returns the inner driver's statement for query on this connection, prepared if it was not.
func (c *Conn) innerStmt(ctx context.Context, query string) (driver.Stmt, error) {
	if p := c.stmts.get(query); p != nil {
		return p.inner, nil
	}
	st, err := c.innerPrepare(ctx, query)
	if err != nil {
		return nil, err
	}
	c.stmts.put(query, &prepared{inner: st})
	if old := c.stmts.surplus(); old != nil {
		c.stmts.evict(old)
		c.spent = append(c.spent, old.inner) // its rows may be open
	}
	return st, nil
}

func (c *Conn) innerPrepare(ctx context.Context, query string) (driver.Stmt, error) {
	if c.can.preparer != nil {
		return c.can.preparer.PrepareContext(ctx, query)
	}
	st, err := c.inner.Prepare(query)
	if err == nil && ctx.Err() != nil {
		return nil, errors.Join(ctx.Err(), st.Close())
	}
	return st, err
}

// innerExec runs a statement on an inner driver other than pgx: directly if it can and the caller did not prepare it,
// else through a statement.
func (c *Conn) innerExec(ctx context.Context, query string, args []driver.NamedValue, byStmt bool) (driver.Result, error) {
	if !byStmt && (c.can.execer != nil || c.can.oldExecer != nil) {
		res, err := c.execDirect(ctx, query, args)
		if !errors.Is(err, driver.ErrSkip) {
			return res, err
		}
	}
	st, own, err := c.stmtFor(ctx, query, byStmt)
	if err != nil {
		return nil, err
	}
	if own {
		defer st.Close()
	}
	args, err = checkArgs(c.can.checker, st, args)
	if err != nil {
		return nil, err
	}
	if withCtx, ok := st.(driver.StmtExecContext); ok {
		return withCtx.ExecContext(ctx, args)
	}
	values, err := plainValues(ctx, args)
	if err != nil {
		return nil, err
	}
	return st.Exec(values) //nolint:staticcheck // all that this driver has
}

func (c *Conn) execDirect(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	args, err := checkArgs(c.can.checker, nil, args)
	if err != nil {
		return nil, err
	}
	if c.can.execer != nil {
		return c.can.execer.ExecContext(ctx, query, args)
	}
	values, err := plainValues(ctx, args)
	if err != nil {
		return nil, err
	}
	return c.can.oldExecer.Exec(query, values)
}

// innerQuery is innerExec for statements with rows.
func (c *Conn) innerQuery(ctx context.Context, query string, args []driver.NamedValue, byStmt bool) (driver.Rows, error) {
	if !byStmt && (c.can.queryer != nil || c.can.oldQuery != nil) {
		rows, err := c.queryDirect(ctx, query, args)
		if !errors.Is(err, driver.ErrSkip) {
			return rows, err
		}
	}
	st, own, err := c.stmtFor(ctx, query, byStmt)
	if err != nil {
		return nil, err
	}
	if own {
		c.spent = append(c.spent, st)
	}
	args, err = checkArgs(c.can.checker, st, args)
	if err != nil {
		return nil, err
	}
	if withCtx, ok := st.(driver.StmtQueryContext); ok {
		return withCtx.QueryContext(ctx, args)
	}
	values, err := plainValues(ctx, args)
	if err != nil {
		return nil, err
	}
	return st.Query(values) //nolint:staticcheck // all that this driver has
}

func (c *Conn) queryDirect(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	args, err := checkArgs(c.can.checker, nil, args)
	if err != nil {
		return nil, err
	}
	if c.can.queryer != nil {
		return c.can.queryer.QueryContext(ctx, query, args)
	}
	values, err := plainValues(ctx, args)
	if err != nil {
		return nil, err
	}
	return c.can.oldQuery.Query(query, values)
}

// stmtFor returns a statement for query: the one that is kept, if the caller prepared it, else one for this call alone,
// which own says.
func (c *Conn) stmtFor(ctx context.Context, query string, byStmt bool) (st driver.Stmt, own bool, err error) {
	if byStmt {
		st, err = c.innerStmt(ctx, query)
		return st, false, err
	}
	st, err = c.innerPrepare(ctx, query)
	return st, true, err
}

// closeSpent closes the statements that earlier holders used up. It is not done at once: the rows of a driver other than
// pgx pass unwrapped, so their end is not seen before the check-in, and a check-in must not speak to a server.
func (c *Conn) closeSpent() {
	for _, st := range c.spent {
		st.Close()
	}
	c.spent = nil
}
