package pooldriver

import (
	"time"

	"github.com/poolsql/poolsql/internal/mono"
)

// The deadline that a cancel sets is for the server. Whoever takes his time between two rows finds it past when he reads on,
// although the server has answered long since, or waits for nothing but that somebody reads. So what is there is read all the
// same. What bounds that is not the clock, as the time that passes meanwhile is the reader's own.

// overtime is what was read past the deadline.
type overtime struct {
	read   int           // bytes
	waited time.Duration // for what was not there yet
}

// mostOvertime is how much may be read past the deadline: more than the buffers of both sides hold, and what is between
// them. A server that sends more has not heard of the cancel, or does not care.
const mostOvertime = 32 << 20

// longAgo is a deadline that is past.
var longAgo = time.Unix(1, 0)

// late goes on with a read that failed with err, a timeout.
func (s *socket) late(b []byte, err error) (int, error) {
	r := s.pending()
	if r == nil {
		return 0, err
	}
	news := hasNews(s.Conn)
	if !s.extend(r, news) {
		s.unanswered()
		return 0, err
	}
	began := mono.Now()
	n, err := s.read(b)
	r.overtime.read += n
	if !news {
		r.overtime.waited += mono.Since(began)
	}
	s.shorten(r)
	switch {
	case err == nil:
	case isTimeout(err):
		s.unanswered()
	default:
		err = s.failed(err)
	}
	return n, err
}

// pending returns the request to cancel the statement whose answer is read, nil if there is none.
func (s *socket) pending() *request {
	g := s.guard
	if !g.serves.Load() || g.socket.Load() != s || g.canceler == nil { // in this order: see guard.dialSide
		return nil
	}
	if r := g.canceler.current.Load(); r != nil && !r.over.Load() && !r.released.Load() {
		return r
	}
	return nil
}

// extend gives one more read its time, if it may have any: for what is there, and, once the reader has made room for the
// server to go on, for what comes then.
func (s *socket) extend(r *request, news bool) bool {
	limit := s.guard.opts.CancelTimeout - r.overtime.waited
	if r.overtime.read >= mostOvertime || limit <= 0 || (!news && r.overtime.read == 0) {
		return false
	}
	return s.setDeadline(r, time.Now().Add(limit))
}

// shorten has the next read come here too.
func (s *socket) shorten(r *request) { s.setDeadline(r, longAgo) }

// setDeadline sets the deadline of reads, unless the statement is over. The lock keeps it from coming after the one that
// takes the deadline back, which would leave it to the next statement. It is held while a deadline is set, which does not
// block.
func (s *socket) setDeadline(r *request, t time.Time) bool {
	s.guard.mu.Lock()
	defer s.guard.mu.Unlock()
	return !r.over.Load() && s.Conn.SetReadDeadline(t) == nil
}

// unanswered notes that the time for the answer to a cancel has passed, if that is what has.
func (s *socket) unanswered() {
	if s.pending() != nil && s.guard.canceler.asked.Load() {
		s.guard.silent.Store(true)
	}
}
