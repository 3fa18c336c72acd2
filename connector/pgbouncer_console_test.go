package connector_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
)

// A user's pool mode goes before that of the database and PgBouncer's own.
func TestConnectionsAreRefusedWhereTheUsersPoolModeIsShorter(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	db := testdb.New(t)
	cc, err := pgx.ParseConfig(db.TCPDSN)
	if err != nil {
		t.Fatal(err)
	}
	p := testdb.PgBouncer(t, db.Server, "session", "[users]", cc.User+" = pool_mode=transaction")
	wrong := bounceOn(t, connector.Config{PgBouncer: connector.PoolSession, PgBouncerConsole: "console"}, db, p)
	if err := wrong.PingContext(wrong.ctx); err == nil || !strings.Contains(err.Error(), "is transaction, and Config.PgBouncer says session") {
		t.Error(err)
	}
	right := bounceOn(t, connector.Config{PgBouncer: connector.PoolTransaction, PgBouncerConsole: "console"}, db, p)
	if err := right.PingContext(right.ctx); err != nil {
		t.Error(err)
	}
	if info := right.c.PgBouncer(); info.ActualMode != connector.PoolTransaction {
		t.Errorf("%+v", info)
	}
}

// Whatever the console does, a connection has time left to be opened in.
func TestAConsoleThatHangsLeavesAConnectionHalfOfItsTime(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	hung, end := context.WithCancel(context.Background())
	serving.Go(func() {
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			serving.Go(func() { <-hung.Done(); conn.Close() })
		}
	})
	t.Cleanup(func() { end(); l.Close(); serving.Wait() })
	db := testdb.New(t)
	p := testdb.PgBouncer(t, db.Server, "transaction")
	b := bounceOn(t, connector.Config{
		PgBouncer: connector.PoolTransaction, ConnectTimeout: 1500 * time.Millisecond,
		PgBouncerConsole: "postgres://stats@" + l.Addr().String() + "/?sslmode=disable",
	}, db, p)
	if err := b.PingContext(b.ctx); err != nil {
		t.Error(err)
	}
	if info := b.c.PgBouncer(); info.Err == nil {
		t.Errorf("%+v", info)
	}
}

func TestAParameterThatMayBeTheRestOfAPasswordIsNotNamed(t *testing.T) {
	cfg := connector.Config{DSN: "host=db password=first hunter2=x search_path=shop", PgBouncer: connector.PoolTransaction}
	err := cfg.Validate()
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "the parameter search_path") {
		t.Error(err)
	}
}
