package health_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/health"
	"github.com/poolsql/poolsql/lifecycle"
)

// The whole: a monitor of a pool, and its handler beside those of the program.
func Example() {
	pool := connector.NewConnector(connector.Config{Name: "orders", Connector: &engine{}}) // a DSN, in a program
	defer pool.Close()

	m, err := health.New(pool, health.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	m.Start()
	defer m.Close()

	h, err := health.NewHandler(m, health.HandlerOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/health/", http.StripPrefix("/health", h))

	w := httptest.NewRecorder() // what a client sees
	mux.ServeHTTP(w, httptest.NewRequest("GET", "/health/", nil))
	var report health.Report
	if err := json.Unmarshal(w.Body.Bytes(), &report); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(w.Code, report.Pool, report.Status, report.Score)
	// Output: 200 orders healthy 100
}

// A report can be had without HTTP, and without a monitor that runs.
func ExampleMonitor_Report() {
	pool := connector.NewConnector(connector.Config{Connector: &engine{}, MaxConns: 10})
	defer pool.Close()
	m, err := health.New(pool, health.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	r := m.Report()
	fmt.Printf("%s, score %d, %d of %d in use, %d warnings\n", r.Status, r.Score, r.Stats.Pool.ActiveConnections,
		r.Stats.Pool.MaxConnections, len(r.Warnings))
	// Output: healthy, score 100, 0 of 10 in use, 0 warnings
}

// The actions that change a pool are for those whom a function of yours lets pass.
func ExampleNewHandler_admin() {
	pool := connector.NewConnector(connector.Config{Connector: &engine{}, MaxConns: 10})
	defer pool.Close()
	m, err := health.New(pool, health.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	h, err := health.NewHandler(m, health.HandlerOptions{
		Admin: true,
		Authorize: func(r *http.Request) error {
			if _, password, _ := r.BasicAuth(); password != "open sesame" { // compare in constant time, in a program
				return errors.New("who are you?")
			}
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	post := func(password string) {
		w, r := httptest.NewRecorder(), httptest.NewRequest("POST", "/admin/resize?max=20", nil)
		r.SetBasicAuth("operator", password)
		h.ServeHTTP(w, r)
		fmt.Print(w.Code, " ", w.Body)
	}
	post("guess")
	post("open sesame")
	fmt.Println(pool.Stats().MaxConns)
	// Output:
	// 403 {"success":false,"message":"forbidden"}
	// 200 {"success":true,"message":"from 0 to 20 connections"}
	// 20
}

// Every judgement reaches the pool's observers, as everything else that happens to it.
func ExampleMonitor_Start() {
	judged := make(chan lifecycle.Event, 1)
	pool := connector.NewConnector(connector.Config{
		Connector: &engine{},
		Observer: lifecycle.ObserverFunc(func(e lifecycle.Event) {
			if e.Kind == lifecycle.KindHealthCheck {
				judged <- e
			}
		}),
	})
	defer pool.Close()
	m, err := health.New(pool, health.Config{Interval: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	m.Start()
	defer m.Close()
	e := <-judged
	fmt.Println(e.Kind, e.Code, e.Count)
	// Output: health-check healthy 100
}
