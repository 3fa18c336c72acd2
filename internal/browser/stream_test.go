package browser_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
)

// A page that was left open while its server was replaced goes on by itself, and says what it did not see.
func TestThePageSaysThatItIsDisconnectedAndConnectsAgain(t *testing.T) {
	s := stage(t, testdb.New(t), connector.Config{MaxConns: 3})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	serve := func(l net.Listener) *http.Server {
		server := &http.Server{Handler: s.monitor.Page(), ReadHeaderTimeout: second}
		go func() { _ = server.Serve(l) }()
		return server
	}
	server := serve(listener)
	b := open(t, 1280, 800)
	b.visit("http://" + address + "/")
	b.await(`document.getElementById('stream').innerText.startsWith('live')`)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil { // which waits for every stream to end
		t.Fatal(err)
	}
	b.await(`!document.getElementById('banner').hidden && /Disconnected since [0-9:]{8}: the server does not answer/.test(document.getElementById('banner').innerText)`)
	b.run(chromedp.Evaluate(`dispatchEvent(new Event('resize'))`, nil)) // has the page drawn anew, and tells nothing new
	time.Sleep(100 * time.Millisecond)
	if text := b.text("#stream"); text != "disconnected" {
		t.Errorf("without a stream the page says that it is %q", text)
	}
	b.shoot("disconnected")
	if listener, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	server = serve(listener)
	defer server.Close()
	b.await(`document.getElementById('banner').hidden && document.getElementById('stream').innerText.startsWith('live')`)
	b.await(`document.getElementById('said').textContent === 'Connected again.'`)
	b.forgive("net::ERR_") // the browser's own words for each attempt
}

// A page of another version, as it is after a deployment, is loaded anew.
func TestAPageOfAnotherVersionIsLoadedAnew(t *testing.T) {
	s := stage(t, testdb.New(t), connector.Config{MaxConns: 3})
	b := open(t, 1280, 800)
	b.visit(s.url)
	b.run(chromedp.Evaluate(`document.documentElement.dataset.build = 'older'; document.body.dataset.old = 'yes'`, nil))
	reconnect(b)
	b.await(`!document.body.dataset.old && !document.getElementById('main').hidden`)
}

func TestAPageThatNobodySeesAsksForNothing(t *testing.T) {
	s := stage(t, testdb.New(t), connector.Config{MaxConns: 3})
	b := open(t, 1280, 800)
	b.visit(s.url)
	hide := `Object.defineProperty(document, 'hidden', {value: %v, configurable: true}); document.dispatchEvent(new Event('visibilitychange'))`
	b.run(chromedp.Evaluate(fmt.Sprintf(hide, true), nil))
	b.await(`document.getElementById('stream').innerText === 'paused'`)
	b.run(chromedp.Evaluate(fmt.Sprintf(hide, false), nil))
	b.await(`document.getElementById('stream').innerText.startsWith('live')`)
}

// reconnect has the page open its stream anew.
func reconnect(b *tab) {
	b.t.Helper()
	for _, hidden := range []bool{true, false} {
		b.run(chromedp.Evaluate(fmt.Sprintf(`Object.defineProperty(document, 'hidden', {value: %v, configurable: true});
			document.dispatchEvent(new Event('visibilitychange'))`, hidden), nil))
	}
}

// The page may stand behind something that does not let everybody in, at a path that it does not know.
func TestThePageSaysWhyThereIsNoStream(t *testing.T) {
	s := stage(t, testdb.New(t), connector.Config{MaxConns: 2})
	var status atomic.Int64 // 0 is the page's own answer
	page := s.monitor.Page()
	server := httptest.NewServer(http.StripPrefix("/a/b", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if code := int(status.Load()); code != 0 && strings.HasSuffix(r.URL.Path, "events") {
			if code == http.StatusServiceUnavailable {
				w.Header().Set("Retry-After", "10")
			}
			w.WriteHeader(code)
			return
		}
		page.ServeHTTP(w, r)
	})))
	defer server.Close()
	defer server.CloseClientConnections()
	b := open(t, 1280, 800)
	b.visit(server.URL + "/a/b") // without the slash
	status.Store(http.StatusForbidden)
	reconnect(b)
	b.await(`document.getElementById('banner').innerText.includes('does not allow it')`)
	status.Store(http.StatusServiceUnavailable)
	b.await(`document.getElementById('banner').innerText.includes('as many pages as the server allows')`)
	status.Store(http.StatusBadGateway)
	b.await(`document.getElementById('banner').innerText.includes('the server answers 502')`)
	status.Store(0)
	b.await(`document.getElementById('banner').hidden`)
	b.forgive("Failed to load resource")
}
