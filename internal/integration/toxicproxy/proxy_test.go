package toxicproxy_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2/toxics"

	"github.com/poolsql/poolsql/internal/integration/toxicproxy"
	"github.com/poolsql/poolsql/internal/testdb"
)

// server listens, and gives what it has accepted.
func server(t *testing.T) (addr string, accepted <-chan net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns := make(chan net.Conn, 16)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns <- conn
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		close(conns)
		for conn := range conns {
			conn.Close()
		}
	})
	return l.Addr().String(), conns
}

// pair gives both ends of a connection through a new proxy.
func pair(t *testing.T) (p *toxicproxy.Proxy, client, far net.Conn) {
	t.Helper()
	testdb.NoLeaks(t)
	addr, accepted := server(t)
	p, err := toxicproxy.New(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	client, err = net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	far = <-accepted
	t.Cleanup(func() { far.Close() })
	return p, client, far
}

func exchange(t *testing.T, from, to net.Conn, size int) {
	t.Helper()
	sent := bytes.Repeat([]byte("0123456789"), size/10)
	written := make(chan error, 1)
	go func() {
		_, err := from.Write(sent)
		written <- err
	}()
	got := make([]byte, len(sent))
	to.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadFull(to, got); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, sent) {
		t.Fatal("what came is not what was sent")
	}
}

// silent fails the test if anything comes soon, be it the end.
func silent(t *testing.T, conn net.Conn) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	n, err := conn.Read(make([]byte, 1))
	var timeout net.Error
	if n > 0 || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatalf("read %d bytes, %v, want silence", n, err)
	}
}

// ended returns how the connection ends, which it has to do soon.
func ended(t *testing.T, conn net.Conn) error {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, err := conn.Read(make([]byte, 1))
	var timeout net.Error
	if err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatalf("%v, want the end of the connection", err)
	}
	return err
}

func TestEverythingPassesThroughAnyToxicThatOnlyDelays(t *testing.T) {
	p, client, far := pair(t)
	for _, toxic := range []toxics.Toxic{
		nil,
		&toxics.LatencyToxic{Latency: 5, Jitter: 5},
		&toxics.SlicerToxic{AverageSize: 50, SizeVariation: 20, Delay: 10},
		&toxics.BandwidthToxic{Rate: 1000},
		nil,
	} {
		p.Poison(toxic, toxic)
		exchange(t, client, far, 10_000)
		exchange(t, far, client, 10_000)
	}
}

func TestLatencyDelays(t *testing.T) {
	p, client, far := pair(t)
	p.Poison(&toxics.LatencyToxic{Latency: 50}, nil)
	began := time.Now()
	exchange(t, client, far, 10)
	if took := time.Since(began); took < 50*time.Millisecond {
		t.Errorf("took %s, want 50 ms at least", took)
	}
}

func TestTheEndOfOneSideReachesTheOther(t *testing.T) {
	_, client, far := pair(t)
	client.Close()
	if err := ended(t, far); err != io.EOF {
		t.Errorf("got %v, want EOF", err)
	}
}

func TestABlackHoleSwallowsTheEndTooAndLeavesNothingBehind(t *testing.T) {
	p, client, far := pair(t)
	exchange(t, client, far, 10)
	p.Poison(new(toxicproxy.BlackHole), new(toxicproxy.BlackHole))
	if _, err := client.Write([]byte("lost")); err != nil {
		t.Fatal(err)
	}
	silent(t, far)
	client.Close()
	silent(t, far)
	p.Heal()
	if err := ended(t, far); err != io.EOF {
		t.Errorf("got %v, want EOF", err)
	}
}

func TestAStandstillDelaysEverythingAndLosesNothing(t *testing.T) {
	p, client, far := pair(t)
	p.Poison(new(toxicproxy.Standstill), new(toxicproxy.Standstill))
	if _, err := client.Write([]byte("late")); err != nil {
		t.Fatal(err)
	}
	client.Close()
	silent(t, far)
	p.Heal()
	far.SetReadDeadline(time.Now().Add(10 * time.Second))
	if got, err := io.ReadAll(far); err != nil || string(got) != "late" {
		t.Errorf("got %q, %v, want all that was sent and the end", got, err)
	}
}

func TestAResetReachesConnectionsThatWereThereBefore(t *testing.T) {
	p, client, far := pair(t)
	exchange(t, client, far, 10)
	p.Poison(nil, new(toxics.ResetToxic))
	if _, err := far.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := ended(t, client); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a reset", err)
	}
}

func TestClientsThatLeaveInTheMiddleOfAnAnswerLeaveNothingBehind(t *testing.T) {
	testdb.NoLeaks(t)
	addr, accepted := server(t)
	p, err := toxicproxy.New(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.Poison(nil, &toxics.SlicerToxic{AverageSize: 10, SizeVariation: 5})
	for range 20 {
		client, err := net.Dial("tcp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		far := <-accepted
		go func() {
			defer far.Close()
			far.Write(make([]byte, 1<<16))
		}()
		io.ReadFull(client, make([]byte, 100))
		client.Close()
		p.Heal()
		p.Poison(nil, &toxics.SlicerToxic{AverageSize: 10, SizeVariation: 5})
	}
	if n := p.Accepted(); n != 20 {
		t.Errorf("%d connections accepted, want 20", n)
	}
}

func TestCloseEndsWhatABlackHoleHolds(t *testing.T) {
	p, client, far := pair(t)
	p.Poison(new(toxicproxy.BlackHole), new(toxicproxy.BlackHole))
	client.Close()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	ended(t, far)
}
