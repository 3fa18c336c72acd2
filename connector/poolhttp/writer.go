package poolhttp

import (
	"io"
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

// watch returns w watched, and its answer such that it tells t, if that is not nil. Handlers find in it the interfaces that programs ask for by type, where w has them; everything else is
// found by http.ResponseController.
func watch(w http.ResponseWriter, t *tally) *watched {
	a := &watched{ResponseWriter: w, tally: t}
	f, flushes := w.(http.Flusher)
	h, hijacks := w.(http.Hijacker)
	switch {
	case flushes && hijacks:
		a.writer = struct {
			*watched
			http.Flusher
			http.Hijacker
		}{a, flusher{a, f}, h}
	case flushes:
		a.writer = struct {
			*watched
			http.Flusher
		}{a, flusher{a, f}}
	case hijacks:
		a.writer = struct {
			*watched
			http.Hijacker
		}{a, h}
	default:
		a.writer = a
	}
	return a
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

// ReadFrom implements io.ReaderFrom, so that a file is sent as it would be without this.
func (a *watched) ReadFrom(r io.Reader) (int64, error) {
	a.begin()
	return io.Copy(a.ResponseWriter, r)
}

// Unwrap is what http.ResponseController looks for.
func (a *watched) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// A flusher begins the answer before it is flushed.
type flusher struct {
	a     *watched
	inner http.Flusher
}

// Flush implements http.Flusher.
func (f flusher) Flush() {
	f.a.begin()
	f.inner.Flush()
}
