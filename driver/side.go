package pooldriver

import (
	"context"
	"errors"
	"net"
	"sync"
)

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
	// Before the connection serves it may be another host's that pgx gives up, and the canceler the next one's.
	if ours == nil && g.serves.Load() && g.canceler != nil && g.canceler.asked.Load() {
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
