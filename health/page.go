package health

import (
	"bytes"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// Page returns a handler that serves a page for people, which shows the pool as it is: who holds which connection and who
// waits, why health is what it is, the last five minutes, and what happened. It updates itself once a second.
//
//	http.Handle("/debug/pool/", http.StripPrefix("/debug/pool", m.Page()))
//
// It can stand under any path that ends with a slash. It only reads, and lets everybody read who reaches it: the labels and
// tenants of callers and, with [Config.ShowQueries], their statements without literals. So put it behind what your other
// internal pages are behind.
//
// The page is one document without anything from elsewhere, under a Content-Security-Policy that allows nothing else. In a
// browser without scripts it is a table that is read anew every five seconds.
//
// Each call makes a page with a past of its own, which is kept from the call to [Monitor.Close]: call it once. While nobody
// looks, that is one reading of the pool's counters a second. At most 64 may look at once; more are told so, with 503. A
// server that shuts down ends their streams.
func (m *Monitor) Page() http.Handler {
	l := newLive(m)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store, no-transform") // a proxy that compresses would hold the stream back
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "this page can only be read", http.StatusMethodNotAllowed)
			return
		}
		switch r.URL.Path {
		case "/":
			l.servePage(w, r)
		case "/events", "events":
			l.serveEvents(w, r)
		case "":
			l.serveRoot(w, r)
		default:
			http.NotFound(w, r)
		}
	})
}

// serveRoot answers where StripPrefix has left nothing of the path: with the page, if its last slash was taken off with the
// rest, and else by sending whoever asks to where that slash is, since the stream is found from there. Only RequestURI has the
// whole path then, and a proxy may have taken a part off before; so what is said is relative to what was asked for.
func (l *live) serveRoot(w http.ResponseWriter, r *http.Request) {
	asked, err := url.ParseRequestURI(r.RequestURI)
	if err != nil || asked.Path == "" {
		http.NotFound(w, r)
		return
	}
	if strings.HasSuffix(asked.Path, "/") {
		l.servePage(w, r)
		return
	}
	w.Header().Set("Location", "./"+url.PathEscape(path.Base(asked.Path))+"/")
	w.WriteHeader(http.StatusTemporaryRedirect)
}

// servePage writes the document. What it shows without scripts is in it; the rest comes by the stream.
func (l *live) servePage(w http.ResponseWriter, r *http.Request) {
	var page bytes.Buffer
	if err := document.Execute(&page, assets.with(l.frame().tick)); err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", assets.policy)
	h.Set("X-Frame-Options", "DENY")
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(page.Bytes()) // whoever left needs no page
}
