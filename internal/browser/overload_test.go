package browser_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/priority"
)

// stageRoutes is a pool of eight connections with a replica, and a route for reports, that is asked for more than it can do.
func stageRoutes(t *testing.T, shedding priority.Shedding) (*scene, *testdb.Pair) {
	t.Helper()
	pair := testdb.Replicated(t)
	s := stage(t, &testdb.DB{DSN: pair.PrimaryDSN()}, connector.Config{
		MaxConns: 8, MinConns: 8, HighReserve: 1, AcquireTimeout: 5 * second, Shedding: shedding, MaxWaiting: 400,
		ReplicaCheckInterval: 100 * time.Millisecond, SlowThreshold: second,
		Routes: []connector.Route{
			{Name: "replica-a", Config: connector.Config{DSN: pair.StandbyDSN(), MaxConns: 12}},
			{Name: "reports", ByName: true, Config: connector.Config{MaxConns: 4}},
		},
	})
	if err := pair.CaughtUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, pair
}

// flood asks for about twice what eight connections can do.
func (s *scene) flood() {
	on := func(change func(context.Context) context.Context, use func(context.Context, *sql.DB) error) func(context.Context, *sql.DB) error {
		return func(ctx context.Context, db *sql.DB) error { return use(change(ctx), db) }
	}
	reads := func(ctx context.Context) context.Context { return priority.WithReadOnly(ctx) }
	shared := func(ctx context.Context) context.Context {
		return priority.WithCoalescing(priority.WithReadOnly(ctx), priority.Coalescing{})
	}
	same := func(ctx context.Context, db *sql.DB) error {
		rows, err := db.QueryContext(ctx, search, 0.02)
		if err != nil {
			return err
		}
		for rows.Next() {
			continue
		}
		return rows.Close()
	}
	s.send(
		caller{label: "checkout", class: priority.High, n: 8, pause: 150 * time.Millisecond, use: statement(cart, 20*time.Millisecond)},
		caller{label: "order", tenant: "acme", n: 12, pause: 40 * time.Millisecond, use: on(func(ctx context.Context) context.Context {
			return priority.WithUser(ctx, "ann")
		}, statement(invoice, 30*time.Millisecond))},
		caller{label: "mailings", tenant: "globex", class: priority.Low, n: 60, pause: 20 * time.Millisecond, use: statement(mailings, 25*time.Millisecond)},
		caller{label: "search", n: 20, pause: 60 * time.Millisecond, use: on(reads, statement(search, 15*time.Millisecond))},
		caller{label: "front page", n: 30, pause: 10 * time.Millisecond, use: on(shared, same)},
		caller{label: "yearly report", class: priority.Low, n: 2, pause: second, use: on(func(ctx context.Context) context.Context {
			return priority.WithRoute(ctx, "reports")
		}, statement(report, 3*second))},
	)
}

const routeRow = `[...document.querySelectorAll('#routes tbody tr')].find((tr) => tr.innerText.includes(%q))?.innerText || ''`

func TestAPageShowsWhoIsTurnedAwayAndWhichReplicaServes(t *testing.T) {
	s, pair := stageRoutes(t, priority.ShedOn)
	s.flood()
	b := open(t, 1280, 800)
	b.visit(s.url)
	b.await(`/^✕ Overloaded for .*Turned away: .*low [0-9,]+ \/s/.test(document.getElementById('overload').innerText)`)
	b.await(`[...document.querySelectorAll('#lanes li')].some((li) => /low/.test(li.innerText) && /turned away [0-9,.]+ \/s/.test(li.innerText) && /overloaded for/.test(li.innerText))`)
	b.await(`[...document.querySelectorAll('#lanes li')].some((li) => /high/.test(li.innerText) && /served [0-9,.]+ \/s/.test(li.innerText) && !/turned away/.test(li.innerText))`)
	b.await(`[...document.querySelectorAll('#events tbody tr')].some((tr) => tr.innerText.includes('overloaded'))`)
	b.await(fmt.Sprintf(`/serves reads/.test(`+routeRow+`) && /[0-9] \/s/.test(`+routeRow+`) && /of 12/.test(`+routeRow+`)`, "replica-a", "replica-a", "replica-a"))
	b.await(fmt.Sprintf(`/by name only/.test(`+routeRow+`)`, "reports"))
	b.await(`/Got another's result/.test(document.getElementById('features').innerText)`)
	b.await(`document.getElementById('holders').innerText.includes('user ann')`)
	if n := eval[int](b, `document.querySelectorAll('#routes tbody tr:nth-child(2) .mini').length`); n != 12 {
		t.Errorf("of the replica's 12 connections %d are drawn", n)
	}
	settle(t)
	b.shoot("shedding-light")
	dark := open(t, 1280, 800, prefers("prefers-color-scheme", "dark", "prefers-reduced-motion", "reduce"))
	dark.visit(s.url)
	dark.await(`document.getElementById('overload').checkVisibility() && document.querySelectorAll('#routes tbody tr').length === 3`)
	for _, fault := range eval[[]string](dark, contrasts) {
		t.Error("hard to read: ", fault)
	}
	time.Sleep(3 * second)
	dark.shoot("shedding-dark")
	phone := open(t, 360, 780, prefers("prefers-color-scheme", "light", "prefers-reduced-motion", "reduce"))
	phone.visit(s.url)
	phone.await(`document.getElementById('overload').checkVisibility() && document.querySelectorAll('#routes tbody tr').length === 3`)
	for _, fault := range eval[[]string](phone, contrasts) {
		t.Error("hard to read on a phone: ", fault)
	}
	if wide := eval[int64](phone, `document.documentElement.scrollWidth`); wide > 360 {
		t.Errorf("on a phone the page is %d pixels wide", wide)
	}
	if clipped := eval[[]string](phone, `[...document.querySelectorAll('#routes td, #overload, #lanes li')].filter((e) => e.checkVisibility() &&
		e.scrollWidth > e.clientWidth + 1).map((e) => e.className + ' ' + e.textContent)`); len(clipped) > 0 {
		t.Errorf("on a phone these stand out of their place: %q", clipped)
	}
	time.Sleep(3 * second)
	phone.shoot("shedding-phone")
	found := map[string]bool{}
	for _, n := range spoken(b) {
		if !n.Ignored {
			found[n.Role.Value+" "+n.Name.Value] = true
			if n.Role.Value == "image" && n.Name.Value == "" {
				t.Error("an image has no name")
			}
		}
	}
	for _, want := range []string{"table Routes", "heading Routes", "columnheader Behind", "heading Connections to the primary"} {
		if !found[want] {
			t.Errorf("a screen reader is not told of %q", want)
		}
	}

	if err := pair.Standby().Stop(t.Context(), testdb.Immediate); err != nil {
		t.Fatal(err)
	}
	b = open(t, 1280, 800) // the first one is hidden since there are others, and so it rests
	b.visit(s.url)
	b.await(fmt.Sprintf(`/ejected/.test(`+routeRow+`)`, "replica-a"))
	b.await(`/reads go to the primary/.test(document.getElementById('routes-hint').innerText)`)
	b.await(`document.getElementById('reasons').innerText.includes('Route not chosen')`)
	b.shoot("replica-out")
	if err := pair.Standby().Restart(t.Context(), testdb.Fast); err != nil {
		t.Fatal(err)
	}
	b.await(fmt.Sprintf(`/serves reads/.test(`+routeRow+`)`, "replica-a"))
}

func TestADryRunSaysThatNobodyIsTurnedAway(t *testing.T) {
	s := stage(t, testdb.New(t), connector.Config{MaxConns: 4, AcquireTimeout: 10 * second, Shedding: priority.ShedDryRun})
	s.send(caller{label: "mailings", class: priority.Low, n: 60, pause: 10 * time.Millisecond, use: statement(mailings, 20*time.Millisecond)})
	b := open(t, 1280, 800)
	b.visit(s.url)
	b.await(`/Overloaded \(dry run\).*Would be turned away: low/.test(document.getElementById('overload').innerText)`)
	if text := b.text("#lanes"); strings.Contains(text, "turned away") && !strings.Contains(text, "would be turned away") {
		t.Errorf("the queues say %q", text)
	}
	if shown := eval[bool](b, `document.getElementById('routes-card').checkVisibility()`); shown {
		t.Error("a pool without routes shows some")
	}
}
