package health_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/health"
)

// A reader is somebody who looks at the page, as the handler sees him: a ResponseWriter that keeps each event, and takes as
// long over each as the test wants.
type reader struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when the handler has returned

	mu     sync.Mutex // guards what follows
	header http.Header
	status int
	events []string
	slow   chan struct{} // each Write waits for it, if it is set
	fails  error
}

// read opens the stream, and waits until it has begun.
func read(t *testing.T, page http.Handler, slow chan struct{}) *reader {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &reader{cancel: cancel, done: make(chan struct{}), header: http.Header{}, status: http.StatusOK, slow: slow}
	go func() {
		defer close(r.done)
		page.ServeHTTP(r, httptest.NewRequestWithContext(ctx, http.MethodGet, "/events", nil))
	}()
	t.Cleanup(func() {
		cancel()
		<-r.done
	})
	synctest.Wait()
	return r
}

func (r *reader) Header() http.Header    { return r.header }
func (r *reader) WriteHeader(status int) { r.status = status }
func (r *reader) FlushError() error      { return nil }

func (r *reader) Write(event []byte) (int, error) {
	if r.slow != nil {
		<-r.slow
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fails != nil {
		return 0, r.fails
	}
	r.events = append(r.events, string(event))
	return len(event), nil
}

// heard returns the events of that name.
func (r *reader) heard(name string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var events []string
	for _, e := range r.events {
		if strings.HasPrefix(e, "event: "+name+"\n") {
			events = append(events, e)
		}
	}
	return events
}

func (r *reader) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

func TestAStreamBeginsWithThePastAndGoesOnOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, m := open(t, connector.Config{Connector: &engine{}, MaxConns: 3, Name: "orders"}, health.Config{NoProbe: true})
		m.Start()
		time.Sleep(20 * time.Second)
		r := read(t, m.Page(), nil)
		time.Sleep(5*time.Second + 100*time.Millisecond)
		if got := r.header.Get("Content-Type"); got != "text/event-stream; charset=utf-8" {
			t.Errorf("Content-Type is %q", got)
		}
		if len(r.heard("hello")) != 1 || len(r.heard("tick")) != 5 {
			t.Fatalf("heard %d hellos and %d ticks in 5 s", len(r.heard("hello")), len(r.heard("tick")))
		}
		for _, event := range append(r.heard("hello"), r.heard("tick")...) {
			if !strings.HasSuffix(event, "\n\n") || strings.Count(event, "\n") != 3 {
				t.Errorf("this is no event: %q", event)
			}
		}
		var hello struct {
			Points [][]*float64
			Tick   struct{ Pool struct{ Name string } }
		}
		text := strings.TrimPrefix(r.heard("hello")[0], "event: hello\ndata: ")
		if err := json.Unmarshal([]byte(text), &hello); err != nil {
			t.Fatal(err)
		}
		if n := len(hello.Points); n < 18 || n > 21 || hello.Tick.Pool.Name != "orders" {
			t.Errorf("after 20 s the hello has %d points, of %q", n, hello.Tick.Pool.Name)
		}
	})
}

// The pool is read once for all who look, and what is read is encoded once.
func TestAllReadersGetTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, m := open(t, connector.Config{Connector: &engine{}, MaxConns: 3}, health.Config{NoProbe: true})
		page := m.Page()
		var readers []*reader
		for range 10 {
			readers = append(readers, read(t, page, nil))
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(5 * time.Second)
		first := readers[0].heard("tick")
		for _, r := range readers {
			got := r.heard("tick")
			for i := range got {
				if got[i] != first[i] {
					t.Errorf("one heard %q, another %q", got[i], first[i])
				}
			}
			if len(got) != 5 {
				t.Errorf("one heard %d ticks in 5 s", len(got))
			}
		}
		if n := len(m.History()); n > 8 { // without a Start the page reads for itself
			t.Errorf("for 10 readers the pool was read %d times in 5 s", n)
		}
	})
}

func TestNobodyWaitsForASlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, m := open(t, connector.Config{Connector: &engine{}, MaxConns: 3}, health.Config{NoProbe: true})
		page := m.Page()
		gate := make(chan struct{})
		defer close(gate)
		slow, quick := read(t, page, gate), read(t, page, nil)
		pass := func(what string) {
			select {
			case gate <- struct{}{}:
			case <-time.After(time.Minute):
				t.Fatalf("the slow reader is not sent %s", what)
			}
		}
		pass("how soon to come again")
		pass("a hello")
		time.Sleep(20*time.Second + 100*time.Millisecond)
		if n := len(quick.heard("tick")); n != 20 {
			t.Errorf("beside a slow reader a quick one heard %d ticks in 20 s", n)
		}
		pass("the tick that it was given when it stopped")
		pass("the newest")
		synctest.Wait()
		got, newest := slow.heard("tick"), quick.heard("tick")
		if len(got) != 2 || got[1] != newest[len(newest)-1] {
			t.Errorf("the slow reader heard %d ticks, the last of them %.60q, want two and %.60q", len(got), got[len(got)-1], newest[len(newest)-1])
		}
	})
}

func TestAReaderWhoIsGoneIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, m := open(t, connector.Config{Connector: &engine{}, MaxConns: 3}, health.Config{NoProbe: true})
		r := read(t, m.Page(), nil)
		r.mu.Lock()
		r.fails = context.DeadlineExceeded // as a write past its deadline does
		r.mu.Unlock()
		time.Sleep(1100 * time.Millisecond)
		if !r.ended() {
			t.Error("the stream goes on")
		}
	})
}

func TestNoMoreThanSoManyReadersAreLetIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, m := open(t, connector.Config{Connector: &engine{}, MaxConns: 3}, health.Config{NoProbe: true})
		page := m.Page()
		var readers []*reader
		for range 64 {
			readers = append(readers, read(t, page, nil))
		}
		if r := read(t, page, nil); !r.ended() || r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" {
			t.Errorf("the 65th reader got %d, %v", r.status, r.header)
		}
		if w := ask(page, http.MethodGet, "/"); w.Code != http.StatusOK {
			t.Errorf("the page itself answers %d", w.Code)
		}
		readers[7].cancel()
		synctest.Wait()
		if r := read(t, page, nil); r.ended() {
			t.Errorf("when one has left, another is turned away with %d", r.status)
		}
	})
}

// While nobody looks, the page reads nothing. A monitor that was not started has a past of what was looked at only.
func TestThePageReadsOnlyWhileSomebodyLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, m := open(t, connector.Config{Connector: &engine{}, MaxConns: 3}, health.Config{NoProbe: true})
		page := m.Page()
		time.Sleep(10 * time.Second)
		if n := len(m.History()); n != 0 {
			t.Errorf("nobody has looked, and there are %d points", n)
		}
		r := read(t, page, nil)
		time.Sleep(3500 * time.Millisecond)
		r.cancel()
		time.Sleep(1500 * time.Millisecond)
		n := len(m.History())
		if n < 3 || n > 5 {
			t.Errorf("in 3.5 s the pool was read %d times", n)
		}
		time.Sleep(time.Minute)
		if after := len(m.History()); after != n {
			t.Errorf("when all had left, the pool was read %d times more", after-n)
		}
		again := read(t, page, nil)
		time.Sleep(2500 * time.Millisecond)
		if n := len(again.heard("tick")); n != 2 {
			t.Errorf("who comes back hears %d ticks in 2.5 s", n)
		}
	})
}

func TestStreamsEndWithTheMonitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, m := open(t, connector.Config{Connector: &engine{}, MaxConns: 3}, health.Config{NoProbe: true})
		page := m.Page()
		r := read(t, page, nil)
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !r.ended() || len(r.heard("bye")) != 1 {
			t.Errorf("ended: %v, byes: %q", r.ended(), r.heard("bye"))
		}
		if r := read(t, page, nil); !r.ended() || r.status != http.StatusServiceUnavailable {
			t.Errorf("a closed monitor's stream answers %d", r.status)
		}
		if w := ask(page, http.MethodGet, "/"); w.Code != http.StatusOK {
			t.Errorf("its page answers %d", w.Code)
		}
	})
}

func TestAskingForTheHeadOfAStreamBeginsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, m := open(t, connector.Config{Connector: &engine{}, MaxConns: 3}, health.Config{NoProbe: true})
		if w := ask(m.Page(), http.MethodHead, "/events"); w.Code != http.StatusOK || w.Body.Len() != 0 {
			t.Errorf("%d, %q", w.Code, w.Body)
		}
	})
}

// keeper is a ResponseWriter of those that hide what the server's can do.
type keeper struct{ http.ResponseWriter }

// An unflushed stream would reach nobody, and the page would ask for it again and again.
func TestAStreamThatCannotBeFlushedIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, m := open(t, connector.Config{Connector: &engine{}, MaxConns: 3}, health.Config{NoProbe: true})
		answer := httptest.NewRecorder()
		m.Page().ServeHTTP(keeper{answer}, httptest.NewRequest(http.MethodGet, "/events", nil))
		if answer.Code != http.StatusNotImplemented || !strings.Contains(answer.Body.String(), "without Flush") {
			t.Errorf("the answer is %d %s", answer.Code, answer.Body)
		}
	})
}
