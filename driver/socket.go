package pooldriver

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
)

// A socket is the connection's own. What it counts is of this socket and no other: pgx may go on reading from that of a host
// that would not have us while the next one serves already.
type socket struct {
	net.Conn
	guard *guard

	sent     atomic.Uint64 // counts writes of which anything has left for the server
	ready    atomic.Bool   // the server has said that it is, since anything was sent last
	prologue prologue

	turns atomic.Uint64 // counts begins and ends of reads: odd while one waits
}

// Read reads from the network. It is on the path of every statement: two stores is what it may cost.
func (s *socket) Read(b []byte) (int, error) {
	n, err := s.read(b)
	switch {
	case err == nil:
		return n, nil
	case n == 0 && isTimeout(err):
		return s.late(b, err)
	default:
		return n, s.failed(err)
	}
}

func (s *socket) read(b []byte) (int, error) {
	turn := s.turns.Load() + 1 // nobody else writes it: one reads from a socket at a time
	s.turns.Store(turn)
	n, err := s.Conn.Read(b)
	s.turns.Store(turn + 1)
	return n, err
}

// Write writes to the network, and counts.
func (s *socket) Write(b []byte) (int, error) {
	n, err := s.Conn.Write(b)
	if n > 0 {
		s.sent.Add(1)
	}
	if err != nil {
		if isTimeout(err) {
			s.unanswered()
		}
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
	if s.guard.socket.Load() == s { // and not one of a host that would not have us
		s.guard.gone.Store(true)
		if s.guard.why != nil {
			return fmt.Errorf("%w: %w", s.guard.why, err)
		}
	}
	return err
}

// NetConn returns what was dialed, as tls.Conn's method does.
func (s *socket) NetConn() net.Conn { return s.Conn }

func isTimeout(err error) bool {
	var netErr net.Error
	return errors.As(err, &netErr) && netErr.Timeout()
}
