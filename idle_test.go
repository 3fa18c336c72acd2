package poolsql_test

import (
	"context"
	"database/sql/driver"
	"errors"
)

// idleDatabase is an inner driver that opens connections and transactions, and does nothing in them.
type idleDatabase struct{}

func (idleDatabase) Connect(context.Context) (driver.Conn, error) { return idleConn{}, nil }

func (idleDatabase) Driver() driver.Driver { return nil }

type idleConn struct{}

func (idleConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("no statements here") }

func (idleConn) Begin() (driver.Tx, error) { return idleTx{}, nil }

func (idleConn) Close() error { return nil }

type idleTx struct{}

func (idleTx) Commit() error { return nil }

func (idleTx) Rollback() error { return nil }
