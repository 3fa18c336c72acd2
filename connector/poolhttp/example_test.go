package poolhttp_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/connector/poolhttp"
	"github.com/poolsql/poolsql/priority"
)

// A service whose orders matter and whose reports can wait. Its own proxies, and nobody else, say on whose behalf a request is made
// and how much time it has left.
func ExampleNew() {
	trust, err := poolhttp.FromNetworks("10.0.0.0/8")
	if err != nil {
		log.Fatal(err)
	}
	prepare, err := poolhttp.New(poolhttp.Options{
		Timeout: 5 * time.Second,
		Rules: []poolhttp.Rule{
			{Pattern: "POST /orders", Class: priority.High},
			{Pattern: "/reports/", Class: priority.Low, Timeout: time.Minute, ReadOnly: true},
		},
		Trust: trust, TenantHeader: "X-Tenant", TimeoutHeader: "Request-Timeout",
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/reports/{month}", func(w http.ResponseWriter, r *http.Request) {
		call, _ := priority.FromContext(r.Context()) // what db.QueryContext(r.Context(), …) would be
		fmt.Fprintf(w, "class %s, label %q, tenant %q\n", call.Class, call.Label, call.Tenant)
	})

	r := httptest.NewRequest("GET", "/reports/may", nil)
	r.RemoteAddr = "10.1.2.3:4567"
	r.Header.Set("X-Tenant", "acme")
	w := httptest.NewRecorder()
	prepare(mux).ServeHTTP(w, r)
	fmt.Print(w.Body)
	// Output: class low, label "/reports/{month}", tenant "acme"
}

// A handler that returns its error. The pool's refusals and timeouts are answered; the rest is the program's.
func ExampleHandler() {
	db, err := connector.Open(connector.Config{DSN: "postgres://app@localhost/shop"})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	showItem := func(w http.ResponseWriter, r *http.Request) error {
		var name string
		err := db.QueryRowContext(r.Context(), "select name from items where id = $1", r.PathValue("id")).Scan(&name)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(w, name)
		return err
	}
	http.Handle("GET /items/{id}", poolhttp.Handler(showItem, func(w http.ResponseWriter, r *http.Request, err error) {
		if errors.Is(err, sql.ErrNoRows) {
			http.NotFound(w, r)
			return
		}
		log.Print(err)
		http.Error(w, "something went wrong", http.StatusInternalServerError)
	}))
}

// A handler of the usual kind.
func ExampleError() {
	refused := &priority.RefusedError{Reason: priority.Shed, RetryAfter: 2 * time.Second} // as a pool would
	h := func(w http.ResponseWriter, r *http.Request) {
		err := fmt.Errorf("list items: %w", refused)
		switch {
		case poolhttp.Error(w, r, err):
		default:
			http.Error(w, "something went wrong", http.StatusInternalServerError)
		}
	}
	w := httptest.NewRecorder()
	h(w, httptest.NewRequest("GET", "/items", nil))
	fmt.Println(w.Code, w.Header().Get("Retry-After"), w.Body)
	// Output: 503 2 Service Unavailable
}

func ExampleStatus() {
	code, after := poolhttp.Status(context.Background(), &priority.RefusedError{Reason: priority.QueueFull, RetryAfter: time.Second})
	fmt.Println(code, after)
	code, _ = poolhttp.Status(context.Background(), sql.ErrNoRows)
	fmt.Println(code)
	// Output:
	// 503 1s
	// 0
}

// Each answer tells where its time went, and so does the log.
func ExampleTimings() {
	cfg := connector.Config{DSN: "postgres://app@localhost/shop", Observer: poolhttp.Timings()}
	db, err := connector.Open(cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		ctx := poolhttp.Track(r.Context())
		_ = db.PingContext(ctx)
		if spent, ok := poolhttp.SpentOf(ctx); ok {
			log.Printf("%s: %s in the queue, %s in the database", r.Pattern, spent.Queue, spent.DB)
		}
	})
}

func ExampleFromNetworks() {
	trust, err := poolhttp.FromNetworks("10.0.0.0/8", "127.0.0.1")
	if err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "198.51.100.1:1234"
	fmt.Println(trust(r))
	// Output: false
}

func ExampleParseTimeout() {
	left, _ := poolhttp.ParseTimeout("Request-Timeout", "0.25")
	fmt.Println(left)
	left, _ = poolhttp.ParseTimeout("Grpc-Timeout", "250m")
	fmt.Println(left)
	// Output:
	// 250ms
	// 250ms
}
