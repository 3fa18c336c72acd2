package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/poolsql/poolsql/examples/internal/program"
	"github.com/poolsql/poolsql/examples/internal/programtest"
	"github.com/poolsql/poolsql/internal/testdb"
)

var addressPattern = regexp.MustCompile(`ready +(http://[0-9.:]+)/health/ready`)

// address waits until the program says where it serves, and is ready.
func address(t *testing.T, stdout *programtest.Page) string {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		found := addressPattern.FindStringSubmatch(stdout.String())
		if found == nil {
			continue
		}
		if code, _, err := get(found[1] + "/health/ready"); err == nil && code == http.StatusOK {
			return found[1]
		}
	}
	t.Fatalf("it does not say where it serves, or does not come to be ready:\n%s", stdout)
	return ""
}

var client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

func get(url string) (code int, body string, err error) {
	resp, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// start starts the service as a process of its own, and returns where to wait for its end.
func start(t *testing.T, stdout, stderr io.Writer, args ...string) (*os.Process, <-chan error) {
	t.Helper()
	command := filepath.Join(t.TempDir(), "service")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", command, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	service := exec.Command(command, append(args, "-listen", "127.0.0.1:0")...)
	service.Stdout, service.Stderr = stdout, stderr
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- service.Wait() }()
	t.Cleanup(func() { _ = service.Process.Kill() }) // where the test fails before its end
	return service.Process, ended
}

// TestNoRequestFailsWhileTheServiceStops runs the service as a process of its own, as Kubernetes would, loads it, and sends it
// SIGTERM. Requests come until it says that it is not ready; each that was sent must be answered as if nothing were.
func TestNoRequestFailsWhileTheServiceStops(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGTERM")
	}
	testdb.NoLeaks(t)
	t.Cleanup(client.CloseIdleConnections)
	db := testdb.New(t)
	var stdout, stderr programtest.Page
	service, ended := start(t, &stdout, &stderr, "-dsn", db.DSN, "-rate", "0", "-grace", "2s", "-conns", "12")
	at := address(t, &stdout)

	var ready atomic.Bool
	ready.Store(true)
	var served, after atomic.Int64 // after: of those that began after the signal
	var signaled atomic.Bool
	var here sync.WaitGroup
	looking, stop := context.WithCancel(t.Context())
	defer stop()
	here.Go(func() { // the load balancer; that a busy machine's database is slow to answer is not what it is asked
		for every(looking, 20*time.Millisecond) {
			if code, _, err := get(at + "/health/ready"); signaled.Load() && (err != nil || code != http.StatusOK) {
				ready.Store(false)
				return
			}
		}
	})
	for i := range 8 {
		here.Go(func() {
			path := []string{"/items/7", "/reports/may"}[i%2]
			for ready.Load() {
				late := signaled.Load()
				switch code, body, err := get(at + path); {
				case err != nil || code != http.StatusOK:
					t.Errorf("%s, begun after the signal: %v: %d %q, %v", path, late, code, body, err)
					return
				case late:
					after.Add(1)
				}
				served.Add(1)
			}
		})
	}
	for served.Load() < 50 && ready.Load() && !t.Failed() {
		time.Sleep(5 * time.Millisecond)
	}
	if err := service.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	signaled.Store(true)
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("it does not end:\n%s%s", &stdout, &stderr)
	}
	here.Wait()
	if ready.Load() || after.Load() == 0 {
		t.Errorf("ready to the end: %v; %d requests began after the signal", ready.Load(), after.Load())
	}
	if !strings.Contains(stdout.String(), "stopped after ") || strings.Contains(stderr.String(), "not everything") {
		t.Errorf("it says\n%s%s", &stdout, &stderr)
	}
	programtest.RequireNothingLeft(t, programtest.Connect(t, db.DSN), "service")
	t.Logf("%d requests, %d of them begun after the signal", served.Load(), after.Load())
}

func TestTheServiceShowsItselfUnderItsOwnLoad(t *testing.T) {
	testdb.NoLeaks(t)
	t.Cleanup(client.CloseIdleConnections)
	db := testdb.New(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var stdout, stderr programtest.Page
	status := make(chan int, 1)
	go func() {
		status <- run(ctx, []string{"-dsn", db.DSN, "-listen", "127.0.0.1:0", "-rate", "50", "-grace", "1s"}, &stdout, &stderr)
	}()
	at := address(t, &stdout)

	resp, err := client.Get(at + "/items/7")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if timing := resp.Header.Get("Server-Timing"); resp.StatusCode != 200 || !strings.Contains(timing, `desc="1 operations"`) {
		t.Errorf("%s, Server-Timing %q", resp.Status, timing)
	}
	for path, want := range map[string]int{"/items/nosuch": 400, "/items/99999999": 404, "/nosuch": 404, "/orders": 405, "/health/live": 200} {
		if code, body, err := get(at + path); code != want {
			t.Errorf("%s: %d %q, %v", path, code, body, err)
		}
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		_, metrics, err := get(at + "/metrics")
		if err == nil && strings.Contains(metrics, `db_query_summary="GET /reports/{month}"`) && strings.Contains(stdout.String(), " 2s ") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the load is not seen:\n%s\n%s", &stdout, metrics)
		}
	}
	stop()
	if got := <-status; got != program.OK {
		t.Errorf("status %d\n%s\n%s", got, &stdout, &stderr)
	}
	out := stdout.String()
	for _, want := range []string{`(?m)^order +high +\d+ +\d+ +\d+ +\d+ +0 `, `(?m)^item +normal +[1-9]\d* +\d+ +\d+ +\d+ +0 `, `(?m)^report +low +\d+ +\d+ +\d+ +\d+ +0 `} {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("%s is not in\n%s", want, out)
		}
	}
	programtest.RequireNothingLeft(t, programtest.Connect(t, db.DSN), "service")
}

func TestTheServiceNeedsNoDatabaseOfTheUsersAndEnds(t *testing.T) {
	testdb.NoLeaks(t)
	var stdout, stderr bytes.Buffer
	args := []string{"-listen", "127.0.0.1:0", "-duration", "300ms", "-grace", "0"}
	if status := run(t.Context(), args, &stdout, &stderr); status != program.OK {
		t.Fatalf("status %d\n%s\n%s", status, &stdout, &stderr)
	}
	if !strings.Contains(stderr.String(), "started PostgreSQL") && os.Getenv("POOLSQL_TEST_DATABASE_URL") == "" {
		t.Errorf("it does not say which database it used:\n%s", &stderr)
	}
}

func TestBadFlagsAreToldAndNothingStarts(t *testing.T) {
	testdb.NoLeaks(t)
	for _, args := range [][]string{{"-conns", "1"}, {"-rate", "-1"}, {"-duration", "-1s"}, {"-grace", "-1s"}, {"now"}, {"-nosuch"}} {
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), args, &stdout, &stderr); status != program.Usage {
			t.Errorf("%q: status %d\n%s", args, status, &stderr)
		}
	}
}

func TestTheSharesOfWishesAreAHundred(t *testing.T) {
	sum := 0
	for _, w := range wishes {
		sum += w.share
	}
	if sum != 100 {
		t.Errorf("%d", sum)
	}
}
