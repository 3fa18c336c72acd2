package pooldriver

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/poolsql/poolsql/internal/testdb"
)

// A gated socket tells of each deadline that it is given, and takes it when it is told to.
type gated struct {
	net.Conn
	asked chan time.Time
	taken chan struct{}
}

func (g *gated) SetDeadline(t time.Time) error     { return g.SetReadDeadline(t) }
func (g *gated) SetReadDeadline(t time.Time) error { g.asked <- t; <-g.taken; return nil }

// A deadline for a late read that is set while the statement ends must be taken back with it, and none may be set after.
func TestTheDeadlineOfALateReadIsNotTheNextStatements(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	conn := &gated{client, make(chan time.Time), make(chan struct{})}
	cfg, err := pgconn.ParseConfig("host=none sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	pg, err := pgconn.Construct(&pgconn.HijackedConn{
		Conn: conn, Config: cfg, TxStatus: 'I', Frontend: pgproto3.NewFrontend(client, client), CustomData: map[string]any{},
	})
	if err != nil {
		t.Fatal(err)
	}
	g := &guard{opts: &Options{CancelTimeout: time.Minute}}
	s := &socket{Conn: conn, guard: g}
	g.socket.Store(s)
	g.serves.Store(true)
	g.canceler = &canceler{guard: g, pg: pg}
	r := &request{enough: make(chan struct{}), done: make(chan struct{})}
	g.canceler.current.Store(r)

	ended := make(chan struct{})
	extended := make(chan bool, 1)
	go func() { extended <- s.extend(r, true) }()
	if set := <-conn.asked; !set.After(time.Now()) {
		t.Errorf("the deadline of a late read is %s", set)
	}
	go func() { g.canceler.HandleUnwatchAfterCancel(); close(ended) }()
	select {
	case set := <-conn.asked:
		t.Fatalf("the deadline was set to %s while it was being set", set)
	case <-time.After(50 * time.Millisecond):
	}
	conn.taken <- struct{}{}
	if !<-extended {
		t.Error("the late read had no time")
	}
	if set := <-conn.asked; !set.IsZero() {
		t.Errorf("the statement's end left the deadline at %s", set)
	}
	conn.taken <- struct{}{}
	<-ended
	if s.extend(r, true) || s.setDeadline(r, longAgo) { // would block
		t.Error("a deadline was set after the end of the statement")
	}
}

// pgx may go on reading from a host that would not have us while the next one serves.
func TestReadsFromAnEarlierHostAreNotCounted(t *testing.T) {
	var servers []net.Conn
	g := &guard{opts: &Options{}}
	g.next = func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		servers = append(servers, server)
		return client, nil
	}
	dial := func() net.Conn {
		conn, err := g.dial(t.Context(), "tcp", "host")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	earlier := dial()
	left := make(chan error, 1)
	go func() { _, err := io.Copy(io.Discard, earlier); left <- err }()
	if _, err := servers[0].Write([]byte("goodbye")); err != nil { // so that the read has begun
		t.Fatal(err)
	}
	serving := dial()
	if g.reads()%2 != 0 {
		t.Error("a read of the earlier host is taken for one of the connection's")
	}
	read := make(chan error, 1)
	go func() { _, err := serving.Read(make([]byte, 8)); read <- err }()
	for deadline := time.Now().Add(10 * time.Second); g.reads()%2 == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a read of the connection's own is not counted")
		}
	}
	earlier.Close()
	if err := <-left; err == nil {
		t.Error("a read of a socket that was closed ended without an error")
	}
	if g.reads()%2 != 1 {
		t.Error("the end of a read of the earlier host is taken for one of the connection's")
	}
	if _, err := servers[1].Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err != nil || g.reads()%2 != 0 {
		t.Errorf("after the read: %v, %d", err, g.reads())
	}
	if _, err := earlier.Write([]byte("x")); err == nil || g.socket.Load().sent.Load() != 0 {
		t.Error("a write to the earlier host is taken for one of the connection's")
	}
}

// Where no slot could be had in time, nobody has asked the server to cancel: pgx may, when it gives the connection up.
func TestAStatementWhoseCancelNeverGotASlotIsCanceledWhenItsConnectionIsGivenUp(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	database := testdb.New(t)
	opts := &Options{CancelTimeout: 300 * time.Millisecond}
	opts.Cancels.Init(1)
	cfg, err := pgx.ParseConfig(database.DSN)
	if err != nil {
		t.Fatal(err)
	}
	watcher, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Close(t.Context())
	own := cfg.Copy()
	Guard(own, opts)
	pg, err := pgx.ConnectConfig(t.Context(), own)
	if err != nil {
		t.Fatal(err)
	}
	c := &Conn{pg: pg, opts: opts, guard: guardOf(pg.PgConn())}
	if err := opts.Cancels.take(t.Context(), nil); err != nil { // somebody else's
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := pg.Exec(ctx, "select pg_sleep(60)"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if !pg.IsClosed() {
		t.Error("the connection lives, though nobody can have canceled its statement")
	}
	closed := make(chan error, 1)
	go func() { closed <- c.Close(t.Context()) }()
	time.Sleep(50 * time.Millisecond)
	opts.Cancels.give()
	if err := <-closed; err != nil {
		t.Error(err)
	}
	deadline := time.Now().Add(15 * time.Second)
	for n := 1; n > 0; time.Sleep(10 * time.Millisecond) {
		if err := watcher.QueryRow(t.Context(), `select count(*) from pg_stat_activity
			where datname = current_database() and wait_event = 'PgSleep'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatal("the statement runs on")
		}
	}
	if err := opts.Cancels.take(t.Context(), nil); err != nil { // pgx's has given it back
		t.Error(err)
	}
}
