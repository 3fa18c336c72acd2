package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/internal/testdb"
)

// echo is a server that sends back what it gets. The returned proxy stands in front of it.
func echo(t *testing.T) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(conn, conn)
				conn.Close()
			}()
		}
	}()
	address := listener.Addr().(*net.TCPAddr)
	config, err := pgx.ParseConfig("host=127.0.0.1 sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	config.Port = uint16(address.Port)
	p, err := newProxy(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}

func dialProxy(t *testing.T, p *proxy) net.Conn {
	t.Helper()
	conn, err := p.dial(t.Context(), "tcp", "another address")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// expectEcho sends a word and fails unless it comes back.
func expectEcho(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := io.WriteString(conn, "word"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != "word" {
		t.Fatalf("got %q, %v", got, err)
	}
}

// expectSilence sends a word and fails if anything is heard of it, the end of the connection included.
func expectSilence(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := io.WriteString(conn, "word"); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if n, err := conn.Read(make([]byte, 4)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("heard %d bytes, %v", n, err)
	}
}

func TestProxySwallowsWhatIsOpenAndLetsNewOnesThroughOnceHealed(t *testing.T) {
	testdb.NoLeaks(t)
	p := echo(t)
	before := dialProxy(t, p)
	expectEcho(t, before)

	p.swallow()
	expectSilence(t, before)
	during := dialProxy(t, p)
	expectSilence(t, during)

	p.heal()
	expectEcho(t, dialProxy(t, p))
	expectSilence(t, before)
	expectSilence(t, during)
	if n := p.attempts.Load(); n != 3 {
		t.Errorf("%d attempts counted, want 3", n)
	}
}

func TestProxyThatIsCutEndsWhatIsOpenAndRefusesTheRest(t *testing.T) {
	testdb.NoLeaks(t)
	p := echo(t)
	passing, swallowed := dialProxy(t, p), dialProxy(t, p)
	expectEcho(t, passing)
	expectEcho(t, swallowed)
	p.swallow()
	expectSilence(t, swallowed)

	p.cut()
	for _, conn := range []net.Conn{passing, swallowed} {
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("an open connection heard %v", err)
		}
	}
	if _, err := p.dial(t.Context(), "tcp", ""); !errors.Is(err, errServerDown) {
		t.Errorf("a new one got %v", err)
	}
}

func TestProxyPassesOnThatOneSideHasEnded(t *testing.T) {
	testdb.NoLeaks(t)
	p := echo(t)
	conn := dialProxy(t, p)
	expectEcho(t, conn)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("heard %v", err)
	}
}

func TestCallersOfADownServerHearWhyThroughEveryPeer(t *testing.T) {
	testdb.NoLeaks(t)
	db := testdb.New(t)
	for _, peer := range faultPeers() {
		t.Run(peer.name, func(t *testing.T) {
			p, client, err := openBehindProxy(t.Context(), peer, faultSetup{dsn: db.DSN, conns: 1, acquire: 10 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			defer client.close()
			defer p.close()
			if err := client.selectOne(t.Context()); err != nil {
				t.Fatal(err)
			}
			p.cut()
			for range 20 { // the first may still find a connection that was there
				if err = client.selectOne(t.Context()); err != nil && strings.Contains(err.Error(), errServerDown.Error()) {
					return
				}
			}
			t.Errorf("the last error was %v", err)
		})
	}
}

func TestSlotOfABlackHoleIsOnlyCountedOnceSomebodyWasServed(t *testing.T) {
	testdb.NoLeaks(t)
	calls := 0
	client := faultClient{exec: func(context.Context, string, ...any) error {
		if calls++; calls < 4 {
			return errors.New("not yet")
		}
		return nil
	}}
	if got := (holePlan{bound: time.Minute}).next(t.Context(), client); calls != 4 || got < 3*holeRetry {
		t.Errorf("%v after %d calls", got, calls)
	}
	never := faultClient{exec: func(context.Context, string, ...any) error { return errors.New("never") }}
	if got := (holePlan{bound: 3 * holeRetry}).next(t.Context(), never); got != 3*holeRetry {
		t.Errorf("%v where nobody was served, want the bound", got)
	}
}
