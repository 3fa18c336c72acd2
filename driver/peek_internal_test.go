//go:build unix

package pooldriver

import (
	"net"
	"testing"
	"time"
)

// socketPair returns both ends of a connection on the loopback.
func socketPair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if client, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	if server, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return client, server
}

// looked fails the test if a look at conn takes any time to speak of.
func looked(t *testing.T, conn net.Conn) bool {
	t.Helper()
	news := make(chan bool, 1)
	go func() { news <- hasNews(conn) }()
	select {
	case answer := <-news:
		return answer
	case <-time.After(10 * time.Second):
		t.Fatal("a look at a socket waits")
		return false
	}
}

// pgx's background reader may still be in its read when the connection is idle.
func TestALookAtASocketDoesNotWaitForWhoReadsFromIt(t *testing.T) {
	t.Parallel()
	client, server := socketPair(t)
	reading := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		b := make([]byte, 1)
		_, _ = client.Read(b) // so that the next one is known to have begun, or to be about to
		close(reading)
		_, err := client.Read(b)
		done <- err
	}()
	if _, err := server.Write([]byte("a")); err != nil {
		t.Fatal(err)
	}
	<-reading
	for range 100 { // of which some come after the read has begun
		if looked(t, client) {
			t.Fatal("news where there is none")
		}
		time.Sleep(time.Millisecond)
	}
	if _, err := server.Write([]byte("b")); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("the reader was disturbed: %v", err)
	}
}

func TestALookAtASocketFindsAWordAndAnEndAndTakesNothing(t *testing.T) {
	client, server := socketPair(t)
	if looked(t, client) {
		t.Error("news before anything was said")
	}
	if _, err := server.Write([]byte("a")); err != nil {
		t.Fatal(err)
	}
	await(t, client)
	b := make([]byte, 1)
	if _, err := client.Read(b); err != nil || b[0] != 'a' {
		t.Errorf("read %q, %v", b, err)
	}
	if looked(t, client) {
		t.Error("news after it was read")
	}
	server.Close()
	await(t, client)
	client.Close()
	if !looked(t, client) {
		t.Error("no news of a socket that is closed")
	}
}

// await fails the test if there is no news in time.
func await(t *testing.T, conn net.Conn) {
	t.Helper()
	for range 10_000 {
		if looked(t, conn) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("no news of what has happened")
}
