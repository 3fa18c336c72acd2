package health_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/health"
	"github.com/poolsql/poolsql/lifecycle"
)

// admin returns a handler whose actions are allowed to who has the right token, and a function that asks for one.
func admin(t *testing.T, m *health.Monitor) (http.Handler, func(path string, form url.Values) (int, string)) {
	t.Helper()
	h := handler(t, m, health.HandlerOptions{Admin: true, AdminTimeout: 5 * time.Second, Authorize: func(r *http.Request) error {
		if r.Header.Get("Authorization") != "Bearer right" {
			return errors.New("s3cret: want another token")
		}
		return nil
	}})
	return h, func(path string, form url.Values) (int, string) {
		t.Helper()
		w := ask(h, "POST", "/health/admin/"+path, allowed, func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		})
		var got struct {
			Success bool
			Message string
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || got.Success != (w.Code == 200) {
			t.Errorf("%s: %d, %s", path, w.Code, w.Body)
		}
		return w.Code, got.Message
	}
}

func allowed(r *http.Request) { r.Header.Set("Authorization", "Bearer right") }

func TestActionsAreForThoseWhoMay(t *testing.T) {
	_, pool, m := open(t, connector.Config{Connector: &engine{}}, health.Config{})
	h, _ := admin(t, m)
	for _, c := range []struct {
		name   string
		method string
		path   string
		change func(*http.Request)
		want   int
	}{
		{"nobody", "POST", "suspend", func(*http.Request) {}, 403},
		{"nobody, for what there is not", "POST", "nothing", func(*http.Request) {}, 403},
		{"by reading", "GET", "suspend", allowed, 405},
		{"another site's page", "POST", "suspend", func(r *http.Request) { allowed(r); r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		{"another origin, in an old browser", "POST", "suspend", func(r *http.Request) { allowed(r); r.Header.Set("Origin", "https://evil.example") }, 403},
		{"too much", "POST", "suspend", func(r *http.Request) {
			allowed(r)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Body = io.NopCloser(strings.NewReader("a=" + strings.Repeat("a", 5000)))
		}, 400},
		{"what there is not", "POST", "nothing", allowed, 404},
		{"the same site's page", "POST", "suspend", func(r *http.Request) { allowed(r); r.Header.Set("Sec-Fetch-Site", "same-origin") }, 200},
	} {
		w := ask(h, c.method, "/health/admin/"+c.path, c.change)
		if w.Code != c.want || strings.Contains(w.Body.String(), "s3cret") || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s, want %d", c.name, w.Code, w.Body, c.want)
		}
		if suspended := pool.Stats().Suspended; suspended != (c.want == 200) {
			t.Errorf("%s: suspended %t", c.name, suspended)
		}
	}
}

// Authorize may look for something in the form, and nobody knows yet who sends it.
func TestAFormIsShortForAuthorizeToo(t *testing.T) {
	_, _, m := open(t, connector.Config{Connector: &engine{}}, health.Config{NoProbe: true})
	var failed error
	h := handler(t, m, health.HandlerOptions{Admin: true, Authorize: func(r *http.Request) error {
		failed = r.ParseForm()
		return failed
	}})
	w := ask(h, "POST", "/health/admin/suspend", func(r *http.Request) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Body = io.NopCloser(strings.NewReader("a=" + strings.Repeat("a", 5000)))
	})
	if failed == nil || w.Code != 403 {
		t.Errorf("read: %v; %d", failed, w.Code)
	}
}

func TestActionsDoWhatTheySayAndTheObserverIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := &log{kinds: []lifecycle.Kind{
			lifecycle.KindWarmupComplete, lifecycle.KindResize, lifecycle.KindSuspended, lifecycle.KindResumed, lifecycle.KindReset,
			lifecycle.KindCleared, lifecycle.KindEviction, lifecycle.KindDrainStarted, lifecycle.KindDrainComplete,
		}}
		db, pool, m := open(t, connector.Config{Connector: &engine{}, MaxConns: 4, MinConns: 1, Observer: told}, health.Config{NoProbe: true})
		_, post := admin(t, m)
		for _, c := range []struct {
			path, form string
			code       int
			message    string
		}{
			{"warmup", "n=3", 200, "3 connections open"}, {"warmup", "", 200, "3 connections open"},
			{"warmup", "n=5", 400, "n: there may be 4 connections at most"}, {"warmup", "n=x", 400, "n: want a whole number"},
			{"evict", "id=2", 200, "connection 2 is retired"}, {"evict", "id=99", 404, "there is no connection 99"},
			{"evict", "", 400, "id: want that of a connection"},
			{"resize", "max=2", 200, "from 1 to 2 connections"}, {"resize", "min=2", 200, "from 2 to 2 connections"},
			{"resize", "", 400, "min, max: want at least one of them"}, {"resize", "max=-1", 400, "max: want a whole number"},
			{"suspend", "", 200, "suspended: callers wait"}, {"clear", "reason=deploying", 200, "0 callers turned away"},
			{"resume", "", 200, "resumed"}, {"reset", "", 200, "every connection is retired"},
		} {
			form, _ := url.ParseQuery(c.form)
			if code, message := post(c.path, form); code != c.code || message != c.message {
				t.Errorf("%s %s: %d %q, want %d %q", c.path, c.form, code, message, c.code, c.message)
			}
			synctest.Wait()
		}
		if code, message := post("resize", url.Values{"max": {"1"}}); code != 400 || !strings.Contains(message, "MinConns is 2") {
			t.Errorf("a maximum below the minimum: %d %q", code, message)
		}
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.ExecContext(t.Context(), "hold"); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		code, message := post("drain", nil)
		if code != 504 || !strings.HasPrefix(message, "the pool takes no new work; after 5s 1 connection was still held") {
			t.Errorf("a drain with somebody in it: %d %q", code, message)
		}
		if took := time.Since(began); took < 5*time.Second || took > 8*time.Second {
			t.Errorf("a drain took %s", took)
		}
		conn.Close()
		<-pool.Done()
		synctest.Wait()
		if code, message := post("drain", nil); code != 200 || message != "drained: no connection is left" {
			t.Errorf("a drain: %d %q", code, message)
		}
		want := []string{
			"warmup-complete", "warmup-complete", "eviction", "resize", "resize", "suspended", "cleared", "resumed", "reset", "drain-started", "drain-complete",
		}
		if told := told.names(); !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
	})
}

func TestAWarmUpThatFailsDoesNotRepeatTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, m := open(t, connector.Config{Connector: &engine{connects: errors.New("s3cret")}, MaxConns: 4}, health.Config{NoProbe: true})
		_, post := admin(t, m)
		if code, message := post("warmup", url.Values{"n": {"1"}}); code != 503 || strings.Contains(message, "s3cret") {
			t.Errorf("%d %q", code, message)
		}
	})
}

func TestADrainGoesOnWhenItsCallerHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, pool, m := open(t, connector.Config{Connector: &engine{takes: 3 * time.Second}, MaxConns: 4}, health.Config{NoProbe: true})
		h, _ := admin(t, m)
		finished := make(chan error, 1)
		go func() {
			_, err := db.Exec("select")
			finished <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		answered := make(chan int, 1)
		go func() {
			answered <- ask(h, "POST", "/health/admin/drain", allowed, func(r *http.Request) { *r = *r.WithContext(ctx) }).Code
		}()
		time.Sleep(time.Second)
		cancel()
		if err := <-finished; err != nil {
			t.Errorf("who held a connection was interrupted: %v", err)
		}
		if code := <-answered; code != 200 {
			t.Errorf("the drain ended with %d: it was cut short", code)
		}
		<-pool.Done()
	})
}
