package connector_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/testdb"
)

// By itself pgx dials a server that is down twice in each attempt, unless sslmode says otherwise.
func TestAnAddressThatCannotBeReachedIsDialedOnceAnAttempt(t *testing.T) {
	testdb.NoLeaksInParallel(t)
	for _, dsn := range []string{"postgres://app@127.0.0.1:1/shop", "postgres://app@127.0.0.1:1,127.0.0.2:1/shop?sslmode=prefer"} {
		cc, err := pgx.ParseConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		var dials atomic.Int64
		cc.DialFunc = func(context.Context, string, string) (net.Conn, error) {
			dials.Add(1)
			return nil, errors.New("refused")
		}
		db, err := connector.Open(connector.Config{ConnConfig: cc, MaxConns: 1})
		if err != nil {
			t.Fatal(err)
		}
		c, _ := connector.FromDB(db)
		if err := db.Ping(); err == nil {
			t.Error("connected")
		}
		hosts := int64(1)
		if len(cc.Fallbacks) > 1 {
			hosts = 2
		}
		if n, attempts := dials.Load(), int64(c.Stats().ConnectErrorCount); n != attempts*hosts {
			t.Errorf("%s: %d dials in %d attempts at %d hosts", dsn, n, attempts, hosts)
		}
		db.Close()
		<-c.Done()
	}
}

func TestTheConnectTimeoutOfTheDSNIsToldAsOne(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	db, err := connector.Open(connector.Config{DSN: "postgres://app@" + silent(t) + "/shop?sslmode=disable&connect_timeout=1", MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := connector.FromDB(db)
	defer func() { db.Close(); <-c.Done() }()
	err = db.Ping()
	var timeout *pooldriver.TimeoutError
	if !errors.Is(err, pooldriver.ErrConnectTimeout) || !errors.As(err, &timeout) || timeout.After != time.Second {
		t.Errorf("%+v: %v", timeout, err)
	}
}
