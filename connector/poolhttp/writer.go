package poolhttp

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// A watched is an http.ResponseWriter that knows whether the answer has begun. It is used by one goroutine at a time, as
// every ResponseWriter is.
type watched struct {
	http.ResponseWriter
	// writer is what the handler gets: this, with what of the optional interfaces the inner one has.
	writer http.ResponseWriter
	began  bool
	tally  *tally // nil, or what the answer tells
}

// watch returns w watched, and its answer such that it tells t, if that is not nil. Handlers find in it the interfaces that
// programs ask for by type where w has them, itself or in what it wraps; everything else is found by http.ResponseController.
func watch(w http.ResponseWriter, t *tally) *watched {
	a := &watched{ResponseWriter: w, tally: t}
	flushes := has[http.Flusher](w) || has[interface{ FlushError() error }](w)
	hijacks := has[http.Hijacker](w)
	switch {
	case flushes && hijacks:
		a.writer = struct {
			*watched
			flusher
			hijacker
		}{a, flusher{a}, hijacker{a}}
	case flushes:
		a.writer = struct {
			*watched
			flusher
		}{a, flusher{a}}
	case hijacks:
		a.writer = struct {
			*watched
			hijacker
		}{a, hijacker{a}}
	default:
		a.writer = a
	}
	return a
}

// has reports whether w is a T, or wraps one, where http.ResponseController would find it.
func has[T any](w http.ResponseWriter) bool {
	for {
		if _, ok := w.(T); ok {
			return true
		}
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return false
		}
		w = wrapper.Unwrap()
	}
}

// begin is called before the first of the answer is sent.
func (a *watched) begin() {
	if a.began {
		return
	}
	a.began = true
	if a.tally != nil {
		a.tally.set(a.Header())
	}
}

// WriteHeader implements http.ResponseWriter. A code below 200 but for 101 is not yet the answer.
func (a *watched) WriteHeader(code int) {
	if code >= 200 || code == http.StatusSwitchingProtocols {
		a.begin()
	}
	a.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (a *watched) Write(b []byte) (int, error) {
	a.begin()
	return a.ResponseWriter.Write(b)
}

// sniffed is how much of an answer net/http looks at to tell its type.
const sniffed = 512

// ReadFrom implements io.ReaderFrom, so that a file is sent as it would be without this. The answer has begun when there is
// something to send, and not before: what r reads may be what the pool refuses.
func (a *watched) ReadFrom(r io.Reader) (int64, error) {
	var n int64
	if !a.began {
		first := make([]byte, sniffed)
		read, err := io.ReadAtLeast(r, first, 1)
		if err == io.EOF {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		written, err := a.Write(first[:read])
		if err != nil {
			return int64(written), err
		}
		n = int64(written)
	}
	rest, err := io.Copy(a.ResponseWriter, r)
	return n + rest, err
}

// Unwrap is what http.ResponseController looks for.
func (a *watched) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// A flusher begins the answer before it is flushed.
type flusher struct{ a *watched }

// FlushError is what http.ResponseController asks for first: a stream learns by it that its reader is gone.
func (f flusher) FlushError() error {
	f.a.begin()
	return http.NewResponseController(f.a.ResponseWriter).Flush()
}

// Flush implements http.Flusher.
func (f flusher) Flush() { _ = f.FlushError() }

// A hijacker knows of the answer that from then on it is the handler's affair.
type hijacker struct{ a *watched }

// Hijack implements http.Hijacker.
func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(h.a.ResponseWriter).Hijack()
	h.a.began = h.a.began || err == nil
	return conn, buffered, err
}
