package health

import (
	"io"
	"net/http"
	"time"
)

// writeTimeout is how long somebody may take to read an event before he is given up.
const writeTimeout = 10 * time.Second

// serveEvents writes the stream: a hello, then a tick whenever there is a newer frame, until the reader leaves, the server
// shuts down, or the monitor is closed, which the stream says with a bye. There is a tick a second, so that it needs no other
// sign of life: a page that hears nothing for some seconds takes its connection for dead.
func (l *live) serveEvents(w http.ResponseWriter, r *http.Request) {
	if l.monitor.ctx.Err() != nil {
		http.Error(w, "the monitor is closed", http.StatusServiceUnavailable)
		return
	}
	if !l.enter() {
		w.Header().Set("Retry-After", "10")
		http.Error(w, "as many look at this page as may", http.StatusServiceUnavailable)
		return
	}
	defer l.leave()
	if !flushes(w) {
		http.Error(w, "the stream cannot be written: some handler around the page has a ResponseWriter without Flush and Unwrap",
			http.StatusNotImplemented)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("X-Accel-Buffering", "no") // nginx would keep the stream to itself until it is long
	if r.Method == http.MethodHead {
		return
	}
	shutdown := l.shutdown(r)
	s := stream{w: w, control: http.NewResponseController(w)}
	f := l.frame()
	if !s.send([]byte("retry: 2000\n\n")) || !s.send(f.hello()) {
		return
	}
	for {
		select {
		case <-f.newer:
			f = l.current()
			if !s.send(f.event) {
				return
			}
		case <-r.Context().Done():
			return
		case <-shutdown:
			s.send([]byte("event: bye\ndata: shutdown\n\n"))
			return
		case <-l.monitor.ctx.Done():
			s.send([]byte("event: bye\ndata: closed\n\n"))
			return
		}
	}
}

// flushes reports whether what is written to w can be sent before there is more of it. It is asked without a flush, which
// would send the header.
func flushes(w http.ResponseWriter) bool {
	for {
		switch v := w.(type) {
		case interface{ FlushError() error }, http.Flusher:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return false
		}
	}
}

// A stream is one reader's.
type stream struct {
	w       io.Writer
	control *http.ResponseController
}

// send writes an event, and reports whether the reader took it. The deadline is set anew for each: the server's
// WriteTimeout is for all of a response, and a stream has no end. A server that has no deadlines has none to set.
func (s *stream) send(event []byte) bool {
	_ = s.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := s.w.Write(event); err != nil {
		return false
	}
	return s.control.Flush() == nil
}

// shutdown returns a channel that is closed when the server of r begins to shut down: it waits for its requests then, and
// this one has no end of its own. nil, which is never closed, if the server is not known.
func (l *live) shutdown(r *http.Request) <-chan struct{} {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return nil
	}
	l.mu.Lock()
	ended, known := l.servers[server]
	if !known {
		ended = make(chan struct{})
		l.servers[server] = ended
	}
	l.mu.Unlock()
	if !known {
		server.RegisterOnShutdown(func() {
			close(ended) // and it stays known: a stream that begins while it shuts down ends at once
		})
	}
	return ended
}
