package pooldriver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgproto3"
)

// A guard stands between pgx and the network for one physical connection. It can close the socket at any time and from
// any goroutine, which pgx cannot; it knows whether somebody waits for the server to say something; and it sees every
// request to cancel, pgx's own included, because pgx dials for each.
type guard struct {
	opts *Options
	next pgconn.DialFunc // the configuration's own

	missed   error     // what the last dial of the connection's own said; of the one who opens it
	missedAt [2]string // network and address of that dial

	canceler *canceler // set before the connection serves; nil where the user's own handler is kept

	serves atomic.Bool   // the connection is open: another one that is dialed by this guard is not its own
	gone   atomic.Bool   // the server has ended the connection, so that there is nothing to cancel
	dead   atomic.Bool   // the socket was closed by us
	sent   atomic.Uint64 // counts writes of which anything has left for the server
	ready  atomic.Bool   // the server has said that it is, since anything was sent last
	turns  atomic.Uint64 // counts begins and ends of reads from the socket: odd while one waits

	mu     sync.Mutex         // guards what follows
	socket *socket            // what was dialed last before the connection served
	sides  map[*side]struct{} // requests to cancel that are under way
	why    error              // why the socket was closed; nil as long as nobody did
}

// guardKey is where pgx's custom data has a connection's guard.
const guardKey = "github.com/poolsql/poolsql/driver.guard"

// Guard prepares cfg for one connection that is about to be dialed. It is to be called for each anew.
//
// A connection whose context ends in the middle of a statement lives on, if the server answers to the cancel in time. That
// takes the place of pgx's default, which closes the connection. A BuildContextWatcherHandler that the user has set stays.
func Guard(cfg *pgx.ConnConfig, opts *Options) {
	g := &guard{opts: opts, next: cfg.DialFunc}
	cfg.DialFunc = g.dial
	frontend := cfg.BuildFrontend
	cfg.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		if g.serves.Load() {
			return frontend(r, w) // of another connection, as below
		}
		return frontend(answers{r, g}, questions{w, g})
	}
	build := cfg.BuildContextWatcherHandler
	cfg.BuildContextWatcherHandler = func(pg *pgconn.PgConn) ctxwatch.Handler {
		h := build(pg)
		if g.serves.Load() {
			return h // of a connection that somebody opens by a copy of this one's configuration
		}
		pg.CustomData()[guardKey] = g
		if d, ok := h.(*pgconn.DeadlineContextWatcherHandler); !ok || d.DeadlineDelay != 0 {
			return h // somebody has decided otherwise
		}
		g.canceler = &canceler{guard: g, pg: pg} // again for each host that is asked what it is
		return g.canceler
	}
}

// guardOf returns the guard of a connection that is open now, nil if it was opened without one.
func guardOf(pg *pgconn.PgConn) *guard {
	g, _ := pg.CustomData()[guardKey].(*guard)
	if g != nil {
		g.serves.Store(true)
	}
	return g
}

var (
	errServerGone = errors.New("the server has ended the connection: there is nothing to cancel")
	errAskedOnce  = errors.New("the server was asked to cancel and did not answer")
)

// dial is pgx's DialFunc.
func (g *guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if dialsToCancel() {
		return g.dialSide(ctx, network, address)
	}
	if g.serves.Load() {
		return g.next(ctx, network, address)
	}
	conn, err := g.reach(ctx, network, address)
	if err != nil {
		return nil, err
	}
	s := &socket{Conn: conn, guard: g}
	g.mu.Lock()
	g.socket = s // an earlier one was of a host that would not have us
	g.gone.Store(false)
	g.mu.Unlock()
	return s, nil
}

// reach dials, but for an address that could not be reached just now: pgx tries it once more without TLS where sslmode is
// prefer, its default, so that a server that is down would see twice as many attempts.
func (g *guard) reach(ctx context.Context, network, address string) (net.Conn, error) {
	if g.missed != nil && g.missedAt == [2]string{network, address} {
		return nil, g.missed
	}
	conn, err := g.next(ctx, network, address)
	g.missed, g.missedAt = err, [2]string{network, address}
	return conn, err
}

// dialsToCancel reports whether pgx calls dial for a request to cancel. Nothing but the caller tells: that the connection
// was opened does not, as pgx asks a host what it is, when it looks for a primary, before it dials the next; nor does the
// context, which pgx makes anew when it gives a connection up.
func dialsToCancel() bool {
	var pcs [1]uintptr
	runtime.Callers(3, pcs[:]) // whoever called dial
	caller, _ := runtime.CallersFrames(pcs[:]).Next()
	return strings.HasSuffix(caller.Function, "pgconn.(*PgConn).CancelRequest")
}

// kill closes the socket, and every request to cancel, hard and at once. why is what the connection's holder will hear, if
// he is the first to be told. The server learns of it when the network lets it.
func (g *guard) kill(why error) {
	g.condemn(why)
	g.mu.Lock()
	socket, sides := g.socket, slices.Collect(maps.Keys(g.sides)) // no more are added
	g.mu.Unlock()
	if socket != nil {
		_ = socket.Conn.Close()
	}
	for _, s := range sides {
		s.abort()
	}
}

// condemn notes that the connection is about to be killed, so that nobody takes what happens to it meanwhile for something
// else. From now on pgx dials for no request to cancel.
func (g *guard) condemn(why error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.why == nil {
		g.why = why
		g.dead.Store(true)
	}
}

// killed returns why the socket was closed by us, nil if it was not.
func (g *guard) killed() error {
	if g == nil || !g.dead.Load() {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.why
}

// A socket is the connection's own.
type socket struct {
	net.Conn
	guard *guard
}

// Read reads from the network. It is on the path of every statement: two stores is what it may cost.
func (s *socket) Read(b []byte) (int, error) {
	turn := s.guard.turns.Load() + 1 // nobody else writes it: one reads from a socket at a time
	s.guard.turns.Store(turn)
	n, err := s.Conn.Read(b)
	s.guard.turns.Store(turn + 1)
	if err != nil {
		err = s.failed(err)
	}
	return n, err
}

// Write writes to the network, and counts.
func (s *socket) Write(b []byte) (int, error) {
	n, err := s.Conn.Write(b)
	if n > 0 {
		s.guard.sent.Add(1)
	}
	if err != nil {
		err = s.failed(err)
	}
	return n, err
}

// failed notes that the connection has ended, if err says so, and adds why we ended it, if we did: whoever uses pgx itself
// has no other way to learn it.
func (s *socket) failed(err error) error {
	if isTimeout(err) {
		return err
	}
	s.guard.mu.Lock()
	defer s.guard.mu.Unlock()
	if s.guard.socket == s { // and not one of a host that would not have us
		s.guard.gone.Store(true)
		if s.guard.why != nil {
			return fmt.Errorf("%w: %w", s.guard.why, err)
		}
	}
	return err
}

// NetConn returns what was dialed, as tls.Conn's method does.
func (s *socket) NetConn() net.Conn { return s.Conn }

// hasNews reports whether there is something to read.
func (g *guard) hasNews() bool {
	g.mu.Lock()
	s := g.socket
	g.mu.Unlock()
	return s != nil && hasNews(s.Conn)
}

func isTimeout(err error) bool {
	var netErr net.Error
	return errors.As(err, &netErr) && netErr.Timeout()
}

// cancelKey marks the contexts of our own requests to cancel.
type cancelKey struct{}

// dialSide dials for a request to cancel. Ours come with their slot. pgx makes one of its own when it gives a connection
// up; that is of use only where we have not asked already, and where there is somebody to ask: of a server that went down
// every connection would else dial it once more at the same time.
func (g *guard) dialSide(ctx context.Context, network, address string) (net.Conn, error) {
	ours, _ := ctx.Value(cancelKey{}).(*request)
	if ours == nil && g.gone.Load() {
		return nil, errServerGone
	}
	if ours == nil && g.canceler != nil && g.canceler.asked.Load() {
		return nil, errAskedOnce
	}
	s := &side{guard: g, request: ours}
	ctx, s.cancel = context.WithCancel(ctx)
	s.stop = context.AfterFunc(ctx, s.abort) // pgx sets a deadline then, which not every socket has
	if err := g.enter(s); err != nil {
		s.leave()
		return nil, err
	}
	if ours == nil { // after it was entered, so that a kill ends the wait
		if err := g.opts.Cancels.take(ctx, nil); err != nil {
			s.leave()
			return nil, err
		}
		s.slot = &g.opts.Cancels
	}
	conn, err := g.next(ctx, network, address)
	if err != nil {
		s.leave()
		return nil, err
	}
	s.mu.Lock()
	s.Conn = conn
	aborted := s.aborted
	s.mu.Unlock()
	if aborted {
		s.leave()
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	return s, nil
}

// enter notes a request to cancel, unless the connection has been closed. The last one comes with the kill.
func (g *guard) enter(s *side) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.why != nil && (s.request == nil || !s.request.last) {
		return g.why
	}
	if g.sides == nil {
		g.sides = make(map[*side]struct{})
	}
	g.sides[s] = struct{}{}
	return nil
}

// A side is the socket of one request to cancel.
type side struct {
	net.Conn
	guard   *guard
	cancel  context.CancelFunc
	stop    func() bool // keeps the end of the context from aborting it
	request *request    // if it is ours
	slot    *Slots      // to be given back, if it is not
	drain   sync.Once
	once    sync.Once

	mu      sync.Mutex // guards Conn until the dial has returned, and aborted
	aborted bool
}

// Write notes that the request has begun: from here on it may reach the server.
func (s *side) Write(b []byte) (int, error) {
	if s.request != nil {
		s.request.sent = true
	}
	return s.Conn.Write(b)
}

// Read waits for the server to end the connection, by which it says that the signal was sent. Any end but that of our own
// patience is one.
func (s *side) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if r := s.request; r != nil {
		r.ended = r.sent && err != nil && !isTimeout(err) && !s.wasAborted()
		r.heard = err == nil
	}
	return n, err
}

func (s *side) wasAborted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.aborted
}

// Close ends the request. Where the server has said something before it ended the connection, a goodbye as TLS has it or
// why it could not fork, pgx has listened no further: the end is awaited here.
func (s *side) Close() error {
	s.drain.Do(func() {
		var b [256]byte
		for r := s.request; r != nil && r.heard; {
			_, _ = s.Read(b[:])
		}
	})
	err := s.Conn.Close()
	s.leave() // the slot is another's only now
	return err
}

// leave is the end of the request, whatever became of it.
func (s *side) leave() {
	s.once.Do(func() {
		s.stop()
		s.cancel()
		s.guard.mu.Lock()
		delete(s.guard.sides, s)
		s.guard.mu.Unlock()
		if s.slot != nil {
			s.slot.give()
		}
	})
}

// abort ends the request from outside.
func (s *side) abort() {
	s.cancel()
	s.mu.Lock()
	s.aborted = true
	conn := s.Conn
	s.mu.Unlock()
	if conn != nil {
		_ = conn.Close()
	}
}

// Slots limit how many requests to cancel are under way at once in one pool: each is a connection to the server, which
// forks a process for it. The zero value has none; Init gives it some.
type Slots struct{ free chan struct{} }

// Init makes n slots.
func (s *Slots) Init(n int) {
	s.free = make(chan struct{}, n)
	for range n {
		s.free <- struct{}{}
	}
}

var errNotNeeded = errors.New("the statement has ended")

// take waits for a slot until ctx ends or enough is closed.
func (s *Slots) take(ctx context.Context, enough <-chan struct{}) error {
	select {
	case <-s.free:
		return nil
	case <-enough:
		return errNotNeeded
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Slots) give() { s.free <- struct{}{} }

// closeGrace is how long the end of a connection may take that is polite to the server: a goodbye that it reads, or pgx's
// own cleaning up. After that the socket is closed, and the connection counts no more.
const closeGrace = time.Second
