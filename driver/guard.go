package pooldriver

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

// A guard stands between pgx and the network for one physical connection. It can close the socket at any time and from
// any goroutine, which pgx cannot; it knows whether somebody waits for the server to say something; and it sees every
// request to cancel, pgx's own included, because pgx dials for each.
type guard struct {
	opts *Options
	next pgconn.DialFunc // the configuration's own

	canceler *canceler // set once, before the connection serves; nil where the user's own handler is kept

	stands atomic.Bool   // the connection serves: what is dialed from now on is a request to cancel
	gone   atomic.Bool   // the server has ended the connection, so that there is nothing to cancel
	dead   atomic.Bool   // the socket was closed by us
	turns  atomic.Uint64 // counts begins and ends of reads from the socket: odd while one waits

	// mu guards what follows. Closing a socket does not block, and is done under it.
	mu     sync.Mutex
	socket *socket            // what was dialed last before the connection stood
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
	build := cfg.BuildContextWatcherHandler
	cfg.BuildContextWatcherHandler = func(pg *pgconn.PgConn) ctxwatch.Handler {
		g.stands.Store(true)
		pg.CustomData()[guardKey] = g
		h := build(pg)
		if d, ok := h.(*pgconn.DeadlineContextWatcherHandler); !ok || d.DeadlineDelay != 0 {
			return h // somebody has decided otherwise
		}
		g.canceler = &canceler{guard: g, pg: pg}
		return g.canceler
	}
}

// guardOf returns the guard of a connection, nil if it was opened without one.
func guardOf(pg *pgconn.PgConn) *guard {
	g, _ := pg.CustomData()[guardKey].(*guard)
	return g
}

var (
	errServerGone = errors.New("the server has ended the connection: there is nothing to cancel")
	errAskedOnce  = errors.New("the server was asked to cancel and did not answer")
)

// dial is pgx's DialFunc.
func (g *guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if g.stands.Load() {
		return g.dialSide(ctx, network, address)
	}
	conn, err := g.next(ctx, network, address)
	if err != nil {
		return nil, err
	}
	s := &socket{Conn: conn, guard: g}
	g.mu.Lock()
	g.socket = s // an earlier one was of a host that would not have us
	g.mu.Unlock()
	return s, nil
}

// kill closes the socket, and every request to cancel, hard and at once. why is what the connection's holder will hear, if
// he is the first to be told. The server learns of it when the network lets it.
func (g *guard) kill(why error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.why == nil {
		g.why = why
		g.dead.Store(true)
	}
	if g.socket != nil {
		_ = g.socket.Conn.Close()
	}
	for s := range g.sides {
		s.abort()
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
	if err != nil && !isTimeout(err) {
		s.guard.gone.Store(true)
	}
	return n, err
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
	s := &side{guard: g}
	ctx, s.cancel = context.WithCancel(ctx)
	if ours, ok := ctx.Value(cancelKey{}).(*request); ok {
		s.request = ours
	} else {
		if g.gone.Load() {
			s.cancel()
			return nil, errServerGone
		}
		if g.canceler != nil && g.canceler.asked.Load() {
			s.cancel()
			return nil, errAskedOnce
		}
		if err := g.opts.Cancels.take(ctx, nil); err != nil {
			s.cancel()
			return nil, err
		}
		s.slot = &g.opts.Cancels
	}
	if err := g.enter(s); err != nil {
		s.leave()
		return nil, err
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
		s.Close()
		return nil, net.ErrClosed
	}
	return s, nil
}

// enter notes a request to cancel, unless the connection has been closed.
func (g *guard) enter(s *side) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.why != nil {
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
	request *request // if it is ours
	slot    *Slots   // to be given back, if it is not
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
	if s.request != nil {
		s.request.ended = s.request.sent && err != nil && !isTimeout(err) && !errors.Is(err, net.ErrClosed)
	}
	return n, err
}

// Close ends the request.
func (s *side) Close() error {
	s.leave()
	return s.Conn.Close()
}

// leave is the end of the request, whatever became of it.
func (s *side) leave() {
	s.once.Do(func() {
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
	defer s.mu.Unlock()
	s.aborted = true
	if s.Conn != nil {
		_ = s.Conn.Close()
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
