package pooldriver_test

import (
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/internal/testdb"
)

// starter is a server that says for a while that it is starting up, and then passes everything on to another.
type starter struct {
	listener net.Listener
	behind   string
	up       atomic.Bool
	wg       sync.WaitGroup
}

func newStarter(t *testing.T, behind string) *starter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &starter{listener: l, behind: behind}
	s.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); s.wg.Wait() })
	return s
}

func (s *starter) serve(conn net.Conn) {
	defer conn.Close()
	if !s.up.Load() {
		b := pgproto3.NewBackend(conn, conn)
		if _, err := b.ReceiveStartupMessage(); err != nil {
			return
		}
		b.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "57P03", Message: "the database system is starting up"})
		_ = b.Flush()
		return
	}
	server, err := net.Dial("tcp", s.behind)
	if err != nil {
		return
	}
	defer server.Close()
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(server, conn); server.Close() })
	_, _ = io.Copy(conn, server)
	conn.Close()
	wg.Wait()
}

func TestServerThatIsStartingUpIsToldAndThenFound(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	u, err := url.Parse(testdb.New(t).TCPDSN)
	if err != nil {
		t.Fatal("the DSN is no URL")
	}
	password, _ := u.User.Password()
	s := newStarter(t, u.Host)
	u.Host = s.listener.Addr().String()
	db, err := poolsql.Open(poolsql.Config{DSN: u.String(), MaxConns: 2})
	if err != nil {
		t.Fatal("the DSN does not parse")
	}
	defer db.Close()
	began := time.Now()
	for range 5 {
		err := db.PingContext(t.Context())
		if codeOf(err) != "57P03" || !errors.Is(err, poolsql.ErrUnavailable) {
			t.Fatalf("got %v", err)
		}
		if strings.Contains(err.Error(), password) {
			t.Error("the error shows the password")
		}
	}
	if took := time.Since(began); took > patience {
		t.Errorf("it took %s to say so", took)
	}

	waited := make(chan error, 1)
	go func() { waited <- db.PingContext(poolsql.WithRetries(t.Context(), 1)) }()
	c, err := poolsql.FromDB(db)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, ctx: t.Context(), c: c}
	f.await("somebody to wait for the server", func() bool { return c.Stats().Waiting == 1 })
	s.up.Store(true)
	if err := <-waited; err != nil {
		t.Errorf("who waited for it: %v", err)
	}
	if err := db.PingContext(t.Context()); err != nil {
		t.Errorf("once it is up: %v", err)
	}
	f.free("afterwards")
}
