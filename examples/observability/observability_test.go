package main

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/poolsql/poolsql/examples/internal/program"
	"github.com/poolsql/poolsql/examples/internal/programtest"
	"github.com/poolsql/poolsql/internal/testdb"
)

var addressPattern = regexp.MustCompile(`metrics +(http://[0-9.:]+)/metrics`)

// address waits until the program says where it serves.
func address(t *testing.T, stdout *programtest.Page) string {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if found := addressPattern.FindStringSubmatch(stdout.String()); found != nil {
			return found[1]
		}
	}
	t.Fatalf("it does not say where it serves:\n%s", stdout)
	return ""
}

// get returns a page, once it has everything that it is to have.
func get(t *testing.T, url string, want ...string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var last string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if last = string(body); err == nil && resp.StatusCode == http.StatusOK && hasAll(last, want) {
			return last
		}
	}
	t.Fatalf("%s does not come to have %q:\n%.2000s", url, want, last)
	return ""
}

func hasAll(text string, want []string) bool {
	for _, w := range want {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

func TestTheShopServesWhatThereIsToSee(t *testing.T) {
	testdb.NoLeaks(t)
	db := testdb.New(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var stdout, stderr programtest.Page
	status := make(chan int, 1)
	go func() { status <- run(ctx, []string{"-dsn", db.DSN, "-listen", "127.0.0.1:0"}, &stdout, &stderr) }()
	at := address(t, &stdout)

	get(t, at+"/metrics",
		`poolsql_acquisitions_total{db_client_connection_pool_name="shop",poolsql_class="low"}`, `db_query_summary="article page"`,
		`poolsql_tenant_use_time_seconds_total{db_client_connection_pool_name="shop",poolsql_tenant="umbrella"}`,
		`error_type="42703"`, `poolsql_health_score{db_client_connection_pool_name="shop"}`)
	get(t, at+"/health/", `"pool":"shop"`, `"status":"healthy"`)
	get(t, at+"/health/ready", `"ready":true`)
	get(t, at+"/health/live", "alive")
	get(t, at+"/", "<html", "shop") // which leads to the live page

	stop()
	if got := <-status; got != program.OK {
		t.Errorf("status %d\n%s\n%s", got, &stdout, &stderr)
	}
	if out := stdout.String(); !regexp.MustCompile(`[1-9][0-9,]* operations in .*\nhealth (healthy|degraded), score `).MatchString(out) {
		t.Errorf("it does not say what it has seen:\n%s", out)
	}
	programtest.RequireNothingLeft(t, programtest.Connect(t, db.DSN), "observability")
}

func TestTheShopNeedsNoDatabaseOfTheUsersAndEnds(t *testing.T) {
	testdb.NoLeaks(t)
	var stdout, stderr programtest.Page
	if status := run(t.Context(), []string{"-listen", "127.0.0.1:0", "-duration", "300ms"}, &stdout, &stderr); status != program.OK {
		t.Fatalf("status %d\n%s\n%s", status, &stdout, &stderr)
	}
	if !strings.Contains(stderr.String(), "started PostgreSQL") {
		t.Errorf("it does not say which database it used:\n%s", &stderr)
	}
}

func TestBadFlagsAreToldAndNothingStarts(t *testing.T) {
	testdb.NoLeaks(t)
	for _, args := range [][]string{{"-conns", "2"}, {"-callers", "0"}, {"-duration", "-1s"}, {"now"}, {"-nosuch"}} {
		var stdout, stderr programtest.Page
		if status := run(t.Context(), args, &stdout, &stderr); status != program.Usage {
			t.Errorf("%q: status %d\n%s", args, status, &stderr)
		}
	}
	var stdout, stderr programtest.Page
	if status := run(t.Context(), []string{"-listen", "nowhere:99999", "-duration", "1s"}, &stdout, &stderr); status != program.Failed {
		t.Errorf("an address that does not exist: status %d\n%s", status, &stderr)
	}
}

func TestTheSharesOfVisitsAreAHundred(t *testing.T) {
	sum := 0
	for _, v := range visits {
		sum += v.share
	}
	if sum != 100 {
		t.Errorf("%d", sum)
	}
}
