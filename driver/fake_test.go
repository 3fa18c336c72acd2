package pooldriver_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// fake is a connector to a database that does nothing but write down what reaches it. Which of the optional interfaces
// its connections and statements have is chosen by wrap and wrapStmt.
type fake struct {
	wrap     func(*fakeConn) driver.Conn
	wrapStmt func(*fakeStmt) driver.Stmt

	mu      sync.Mutex // guards what follows
	log     []string
	opened  int
	closed  int
	stmts   int                             // open ones
	failing func(conn int, op string) error // says what an operation answers
	broken  map[int]bool                    // connections that say that they are
	resets  int
}

func (f *fake) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, fmt.Sprintf(format, args...))
}

// take returns what was noted since the last time.
func (f *fake) take() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	log := strings.Join(f.log, "; ")
	f.log = nil
	return log
}

func (f *fake) answer(conn int, op string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failing == nil {
		return nil
	}
	return f.failing(conn, op)
}

func (f *fake) counts() (opened, closed, stmts int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.opened, f.closed, f.stmts
}

func (f *fake) Connect(context.Context) (driver.Conn, error) {
	f.mu.Lock()
	f.opened++
	c := &fakeConn{f: f, id: f.opened}
	f.mu.Unlock()
	if f.wrap == nil {
		return c, nil
	}
	return f.wrap(c), nil
}

func (f *fake) Driver() driver.Driver { return nil }

// fakeConn has only what driver.Conn demands.
type fakeConn struct {
	f  *fake
	id int
}

func (c *fakeConn) Prepare(query string) (driver.Stmt, error) {
	if err := c.f.answer(c.id, "prepare"); err != nil {
		return nil, err
	}
	if strings.HasPrefix(query, "bad") {
		return nil, errors.New("bad statement")
	}
	c.f.mu.Lock()
	c.f.stmts++
	c.f.mu.Unlock()
	s := &fakeStmt{c: c, query: query}
	if c.f.wrapStmt == nil {
		return s, nil
	}
	return c.f.wrapStmt(s), nil
}

func (c *fakeConn) Close() error {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	c.f.closed++
	return nil
}

func (c *fakeConn) Begin() (driver.Tx, error) {
	if err := c.f.answer(c.id, "begin"); err != nil {
		return nil, err
	}
	c.f.note("begin")
	return fakeTx{c}, nil
}

func (c *fakeConn) run(what, query string, args []driver.NamedValue) error {
	if err := c.f.answer(c.id, what); err != nil {
		return err
	}
	var texts []string
	for _, a := range args {
		texts = append(texts, fmt.Sprintf("%d%s=%T(%v)", a.Ordinal, a.Name, a.Value, a.Value))
	}
	c.f.note("%s %s [%s]", what, query, strings.Join(texts, " "))
	return nil
}

func unnamed(values []driver.Value) []driver.NamedValue {
	var args []driver.NamedValue
	for i, v := range values {
		args = append(args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return args
}

type fakeTx struct{ c *fakeConn }

func (t fakeTx) Commit() error   { t.c.f.note("commit"); return t.c.f.answer(t.c.id, "commit") }
func (t fakeTx) Rollback() error { t.c.f.note("rollback"); return t.c.f.answer(t.c.id, "rollback") }

// fakeStmt has only what driver.Stmt demands. It has an input for each question mark; it does not say how many if its
// text begins with "any".
type fakeStmt struct {
	c     *fakeConn
	query string
}

func (s *fakeStmt) Close() error {
	s.c.f.mu.Lock()
	defer s.c.f.mu.Unlock()
	s.c.f.stmts--
	return nil
}

func (s *fakeStmt) NumInput() int {
	if strings.HasPrefix(s.query, "any") {
		return -1
	}
	return strings.Count(s.query, "?")
}

func (s *fakeStmt) Exec(args []driver.Value) (driver.Result, error) {
	return driver.RowsAffected(1), s.c.run("stmt exec", s.query, unnamed(args))
}

func (s *fakeStmt) Query(args []driver.Value) (driver.Rows, error) {
	return &fakeRows{}, s.c.run("stmt query", s.query, unnamed(args))
}

// fakeRows are two rows.
type fakeRows struct{ n int }

func (r *fakeRows) Columns() []string { return []string{"n"} }
func (r *fakeRows) Close() error      { return nil }
func (r *fakeRows) Next(dest []driver.Value) error {
	if r.n++; r.n > 2 {
		return io.EOF
	}
	dest[0] = int64(r.n)
	return nil
}

// legacyConn runs statements directly, as drivers did before contexts.
type legacyConn struct{ *fakeConn }

func (c legacyConn) Exec(query string, args []driver.Value) (driver.Result, error) {
	return driver.RowsAffected(1), c.run("exec", query, unnamed(args))
}

func (c legacyConn) Query(query string, args []driver.Value) (driver.Rows, error) {
	return &fakeRows{}, c.run("query", query, unnamed(args))
}

// contextConn has all that takes a context.
type contextConn struct{ *fakeConn }

func (c contextConn) ExecContext(_ context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), c.run("exec", query, args)
}

func (c contextConn) QueryContext(_ context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return &fakeRows{}, c.run("query", query, args)
}

func (c contextConn) PrepareContext(_ context.Context, query string) (driver.Stmt, error) {
	return c.Prepare(query)
}

func (c contextConn) BeginTx(_ context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.Begin()
	c.f.note("with %v", opts)
	return tx, err
}

func (c contextConn) Ping(context.Context) error {
	c.f.note("ping")
	return c.f.answer(c.id, "ping")
}

func (c contextConn) ResetSession(context.Context) error {
	c.f.mu.Lock()
	c.f.resets++
	c.f.mu.Unlock()
	return c.f.answer(c.id, "reset")
}

func (c contextConn) IsValid() bool {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	return !c.f.broken[c.id]
}

// skippingConn could run statements directly, and declines.
type skippingConn struct{ *fakeConn }

func (c skippingConn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return nil, driver.ErrSkip
}

func (c skippingConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return nil, driver.ErrSkip
}

// check is a NamedValueChecker with an opinion on some values.
func check(nv *driver.NamedValue) error {
	switch v := nv.Value.(type) {
	case custom:
		nv.Value = "custom " + v.s
		return nil
	case string:
		switch v {
		case "remove":
			return driver.ErrRemoveArgument
		case "refuse":
			return errors.New("refused")
		}
	}
	return driver.ErrSkip
}

// custom is a value that only a checker can make anything of.
type custom struct{ s string }

type (
	checkingConn       struct{ contextConn }
	checkingLegacyConn struct{ legacyConn }
)

func (checkingConn) CheckNamedValue(nv *driver.NamedValue) error       { return check(nv) }
func (checkingLegacyConn) CheckNamedValue(nv *driver.NamedValue) error { return check(nv) }

type (
	contextStmt  struct{ *fakeStmt }
	checkingStmt struct{ contextStmt }
	columnsStmt  struct{ contextStmt }
	bothStmt     struct{ checkingStmt }
)

func (s contextStmt) ExecContext(_ context.Context, args []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), s.c.run("stmt exec", s.query, args)
}

func (s contextStmt) QueryContext(_ context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return &fakeRows{}, s.c.run("stmt query", s.query, args)
}

func (checkingStmt) CheckNamedValue(nv *driver.NamedValue) error { return check(nv) }
func (columnsStmt) ColumnConverter(i int) driver.ValueConverter  { return column(i) }
func (s bothStmt) ColumnConverter(i int) driver.ValueConverter   { return column(i) }

// column converts: the first to a string, the second to a value that drivers do not take, others by default.
type column int

func (c column) ConvertValue(v any) (driver.Value, error) {
	switch c {
	case 0:
		return fmt.Sprint("column ", v), nil
	case 1:
		return struct{}{}, nil
	default:
		return driver.DefaultParameterConverter.ConvertValue(v)
	}
}
