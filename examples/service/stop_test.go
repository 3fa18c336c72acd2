package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/examples/internal/programtest"
	"github.com/poolsql/poolsql/internal/testdb"
)

// running returns a service that serves, without its tables, and where. The test ends it.
func running(t *testing.T) (s *service, at string) {
	t.Helper()
	cfg, err := pgx.ParseConfig(testdb.New(t).DSN)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = open(cfg, "shop", 2); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.close() })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(listener) }()
	t.Cleanup(func() {
		_ = s.server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s, listener.Addr().String()
}

// slow begins an order whose body does not come.
func slow(t *testing.T, at string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	fmt.Fprint(conn, "POST /orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"+
		"Content-Length: 6\r\nExpect: 100-continue\r\n\r\n")
	// The server says this when the handler begins to read.
	if line, err := bufio.NewReader(conn).ReadString('\n'); !strings.Contains(line, " 100 ") {
		t.Fatalf("%q, %v", line, err)
	}
	return conn
}

// ended is a context of somebody who does not wait.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestAnswersAskForTheirConnectionsToBeClosedWhenTheServiceStops(t *testing.T) {
	testdb.NoLeaks(t)
	s, at := running(t)
	t.Cleanup(client.CloseIdleConnections)
	for _, stopping := range []bool{false, true} {
		s.stopping.Store(stopping)
		for _, path := range []string{"/items/nosuch", "/metrics", "/health/live", "/health/ready"} {
			resp, err := client.Get("http://" + at + path)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.Close != stopping {
				t.Errorf("%s, stopping: %v: close: %v", path, stopping, resp.Close)
			}
		}
	}
}

// What is cut off is said: the process ends as one that was stopped, and says nothing else.
func TestTheEndSaysWhatItHasCutOff(t *testing.T) {
	testdb.NoLeaks(t)
	s, at := running(t)
	conn := slow(t, at)
	lent, err := s.db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer lent.Close()
	if err := lent.PingContext(poolsql.WithLabel(t.Context(), "a job in the background")); err != nil {
		t.Fatal(err)
	}
	var stdout programtest.Page
	began := time.Now()
	err = s.stop(ended(), time.Hour, &stdout)
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("who does not wait waited for %s", took)
	}
	var drained *poolsql.DrainError
	if !errors.As(err, &drained) || !strings.Contains(stdout.String(), "requests were cut off") ||
		!strings.Contains(stdout.String(), "a job in the background") || strings.Contains(stdout.String(), "the last request is answered") {
		t.Errorf("%v\n%s", err, &stdout)
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := conn.Read(make([]byte, 1<<10)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the request that was cut off still has its connection")
	}
}

func TestASecondSignalCutsTheEndShort(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGTERM")
	}
	testdb.NoLeaks(t)
	t.Cleanup(client.CloseIdleConnections)
	db := testdb.New(t)
	var stdout, stderr programtest.Page
	process, ended := start(t, &stdout, &stderr, "-dsn", db.DSN, "-rate", "0", "-grace", "10m")
	address(t, &stdout)
	for n := 1; n <= 2; n++ {
		if err := process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(20 * time.Second); n == 1 && !strings.Contains(stdout.String(), "stopping: "); {
			if time.Now().After(deadline) {
				t.Fatalf("it does not stop:\n%s%s", &stdout, &stderr)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	select {
	case <-ended: // whatever it says: nothing had to be cut off, or something
	case <-time.After(30 * time.Second):
		t.Fatalf("it does not end:\n%s%s", &stdout, &stderr)
	}
	programtest.RequireNothingLeft(t, programtest.Connect(t, db.DSN), "service")
}

func TestTheTimesThatAreKeptAreBounded(t *testing.T) {
	var a answers
	for i := range 3 * kept {
		a.note(time.Duration(i))
	}
	late := 0
	for _, took := range a.took {
		if took >= 2*kept {
			late++
		}
	}
	if len(a.took) != kept || a.ok != 3*kept || late < kept/4 || late > kept/2 {
		t.Errorf("%d of %d, %d of the last third", len(a.took), a.ok, late)
	}
}
