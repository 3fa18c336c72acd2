package poolhttp_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/poolsql/poolsql/connector/poolhttp"
	"github.com/poolsql/poolsql/priority"
)

// A wrapper is an http.ResponseWriter of other middleware: it has none of the optional interfaces, and says what it wraps.
type wrapper struct{ http.ResponseWriter }

func (w wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// A bare one does not even say that.
type bare struct{ http.ResponseWriter }

// A stuck one flushes in vain.
type stuck struct {
	http.ResponseWriter
	why error
}

func (s stuck) FlushError() error { return s.why }

// serve answers one request over a connection, and returns what the client gets; err is of an answer that was cut off.
func serve(t *testing.T, h http.Handler) (code int, header http.Header, body string, logged *bytes.Buffer, err error) {
	t.Helper()
	logged = new(bytes.Buffer)
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(logged, "", 0)
	server.Start()
	defer server.Close() // which waits for the handler, and so for its log
	resp, err := http.Get(server.URL)
	if err != nil {
		return 0, nil, "", logged, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(b), logged, err
}

func TestAStreamLearnsThatItsReaderIsGone(t *testing.T) {
	gone := errors.New("gone")
	told := func(w http.ResponseWriter) (err error) {
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { err = http.NewResponseController(w).Flush() })
		prepare(t, poolhttp.Options{ServerTiming: poolhttp.Anyone}, h).ServeHTTP(w, request("GET", "/"))
		return err
	}
	if err := told(stuck{httptest.NewRecorder(), gone}); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
	if err := told(wrapper{stuck{httptest.NewRecorder(), gone}}); !errors.Is(err, gone) {
		t.Errorf("through another's: %v", err)
	}
	if err := told(bare{httptest.NewRecorder()}); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("where nothing flushes: %v", err)
	}
}

// A handler asks by type what it can do, so it must not find more than there is.
func TestAHandlerFindsWhatTheServerHas(t *testing.T) {
	for name, tt := range map[string]struct {
		wrap             func(http.ResponseWriter) http.ResponseWriter
		flushes, hijacks bool
	}{
		"the server's":  {func(w http.ResponseWriter) http.ResponseWriter { return w }, true, true},
		"another's":     {func(w http.ResponseWriter) http.ResponseWriter { return wrapper{w} }, true, true},
		"one with none": {func(w http.ResponseWriter) http.ResponseWriter { return bare{w} }, false, false},
		"a recorder":    {func(http.ResponseWriter) http.ResponseWriter { return httptest.NewRecorder() }, true, false},
	} {
		var flushes, fails, hijacks bool
		h := poolhttp.Handler(func(w http.ResponseWriter, _ *http.Request) error {
			_, flushes = w.(http.Flusher)
			_, fails = w.(interface{ FlushError() error })
			_, hijacks = w.(http.Hijacker)
			return nil
		}, nil)
		_, _, _, _, err := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(tt.wrap(w), r) }))
		if err != nil || flushes != tt.flushes || fails != tt.flushes || hijacks != tt.hijacks {
			t.Errorf("%s: flushes %v, %v, hijacks %v, %v", name, flushes, fails, hijacks, err)
		}
	}
}

// What a flush has sent is an answer that has begun, whoever stands between.
func TestAnAnswerHasBegunWhenItIsFlushedThroughAnothers(t *testing.T) {
	h := poolhttp.Handler(func(w http.ResponseWriter, _ *http.Request) error {
		if err := http.NewResponseController(w).Flush(); err != nil {
			return nil
		}
		return refusal(priority.Shed, 0)
	}, nil)
	code, _, body, logged, err := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(wrapper{w}, r) }))
	if err == nil || logged.Len() > 0 {
		t.Errorf("%d %q came through; the log: %s", code, body, logged)
	}
}

func TestAConnectionThatWasTakenOverIsNotAnswered(t *testing.T) {
	for name, fails := range map[string]error{"the pool's": refusal(priority.Shed, 0), "the program's": errors.New("mine")} {
		var others atomic.Int64
		h := poolhttp.Handler(func(w http.ResponseWriter, _ *http.Request) error {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return err
			}
			_, _ = io.WriteString(conn, "taken over\n")
			_ = conn.Close()
			return fails
		}, func(w http.ResponseWriter, _ *http.Request, _ error) {
			others.Add(1)
			http.Error(w, "x", http.StatusInternalServerError)
		})
		logged := new(bytes.Buffer)
		server := httptest.NewUnstartedServer(prepare(t, poolhttp.Options{ServerTiming: poolhttp.Anyone}, h))
		server.Config.ErrorLog = log.New(logged, "", 0)
		ended := make(chan struct{})
		inner := server.Config.Handler
		server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(ended)
			inner.ServeHTTP(w, r)
		})
		server.Start()
		conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		line, err := bufio.NewReader(conn).ReadString('\n')
		<-ended
		_ = conn.Close()
		server.Close()
		if line != "taken over\n" || logged.Len() > 0 {
			t.Errorf("%s: %q, %v; the log: %s", name, line, err, logged)
		}
		if want := name == "the program's"; (others.Load() == 1) != want {
			t.Errorf("%s: told %d times", name, others.Load())
		}
	}
}

// What is copied may be what the pool has refused: nothing of it is there, and the answer has not begun.
func TestAnAnswerHasNotBegunBeforeThereIsSomethingToCopy(t *testing.T) {
	from := func(r io.Reader) http.Handler {
		return poolhttp.Handler(func(w http.ResponseWriter, _ *http.Request) error {
			_, err := io.Copy(w, struct{ io.Reader }{r})
			return err
		}, nil)
	}
	refused, write := io.Pipe()
	_ = write.CloseWithError(refusal(priority.Shed, 0))
	if code, header, _, _, err := serve(t, from(refused)); code != 503 || header.Get("Retry-After") == "" {
		t.Errorf("refused: %d %v %v", code, header, err)
	}
	begun := io.MultiReader(strings.NewReader("half"), refused)
	if code, _, body, _, err := serve(t, from(begun)); err == nil {
		t.Errorf("half came through: %d %q", code, body)
	}
	if code, _, body, _, err := serve(t, from(strings.NewReader(""))); code != 200 || body != "" || err != nil {
		t.Errorf("nothing: %d %q %v", code, body, err)
	}
	long := "<html>" + strings.Repeat("0123456789", 20_000)
	code, header, body, _, err := serve(t, from(strings.NewReader(long)))
	if code != 200 || body != long || header.Get("Content-Type") != "text/html; charset=utf-8" || err != nil {
		t.Errorf("long: %d %v, %d bytes, %v", code, header, len(body), err)
	}
}

// The same holds for what fails for the program's sake: a file that ends in the middle looks whole, with a sentence behind it.
func TestHalfAnAnswerIsCutOffWhoeverFailed(t *testing.T) {
	mine := errors.New("division by zero in row 1000")
	for name, other := range map[string]func(http.ResponseWriter, *http.Request, error){
		"nobody for the rest": nil,
		"the program's": func(w http.ResponseWriter, _ *http.Request, err error) {
			if err != mine {
				t.Errorf("got %v", err)
			}
			w.Header().Set("X-Late", "1")
			http.Error(w, "sorry", http.StatusInternalServerError)
		},
	} {
		h := poolhttp.Handler(func(w http.ResponseWriter, _ *http.Request) error {
			_, _ = io.WriteString(w, strings.Repeat("row\n", 1000))
			_ = http.NewResponseController(w).Flush()
			return mine
		}, other)
		_, _, body, logged, err := serve(t, h)
		if err == nil || strings.Trim(body, "row\n") != "" || logged.Len() > 0 {
			t.Errorf("%s: %v, %d bytes; the log: %s", name, err, len(body), logged)
		}
	}
}
