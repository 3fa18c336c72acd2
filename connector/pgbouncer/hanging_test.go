package pgbouncer_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/poolsql/poolsql/connector/pgbouncer"
	"github.com/poolsql/poolsql/internal/testdb"
)

func TestAConsoleThatHangsCostsItsLimitAndLeavesNothingBehind(t *testing.T) {
	testdb.NoLeaks(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	ended := make(chan time.Time, 10)
	serving.Go(func() {
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			serving.Go(func() {
				defer conn.Close()
				b := pgproto3.NewBackend(conn, conn)
				if _, err := b.ReceiveStartupMessage(); err == nil {
					b.Send(&pgproto3.AuthenticationOk{})
					b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
					_ = b.Flush()
				}
				_, _ = io.Copy(io.Discard, conn) // and never answers
				ended <- time.Now()
			})
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	c, err := pgbouncer.New("postgres://stats@" + l.Addr().String() + "/?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := c.Version(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a console that hangs: %v", err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the call took %s", took)
	}
	if left := (<-ended).Sub(began); left > 3*time.Second {
		t.Errorf("the connection was closed after %s", left)
	}
	l.Close()
	serving.Wait()
	if n := len(ended); n > 0 {
		t.Errorf("the console that hangs was dialed %d times more", n)
	}
}
