package browser_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/priority"
)

func TestAnIdlePoolIsShownAsIdle(t *testing.T) {
	s := stage(t, testdb.New(t), connector.Config{MaxConns: 6})
	b := open(t, 1280, 800)
	b.visit(s.url)
	b.await(`document.querySelector('.cell.idle') !== null && document.querySelectorAll('.cell.idle, .cell.none').length === 6`)
	b.await(`document.getElementById('state').textContent.includes('Healthy')`)
	for _, want := range []string{"orders", "0 of 6", "Nobody waits.", "Nobody holds a connection.", "live"} {
		if text := b.text("body"); !strings.Contains(text, want) {
			t.Errorf("%q is not on the page:\n%s", want, text)
		}
	}
	b.shoot("idle")
}

func TestABusyPoolShowsWhoHoldsWhat(t *testing.T) {
	s := stage(t, testdb.New(t), busyPool)
	s.busy()
	b := open(t, 1280, 800)
	b.visit(s.url)
	for _, state := range []string{"running", "reading", "transaction", "held", "idle"} {
		b.await(fmt.Sprintf(`document.querySelector('.cell.%s') !== null`, state))
	}
	b.await(`document.querySelectorAll('.cell.long').length > 0`) // the report, and the lock
	b.await(`document.querySelector('#holders tbody tr .alarm') !== null`)
	b.await(`[...document.querySelectorAll('#holders tbody tr')].some((tr) =>
		tr.innerText.includes('nightly report') && tr.innerText.includes('class low') && tr.innerText.includes('from sales($1)'))`)
	b.await(`[...document.querySelectorAll('.plot .line.a')].every((l) => l.getAttribute('d').length > 20)`)
	b.await(`document.querySelector('#events tbody').innerText.includes('held too long')`)

	// The longest is the first.
	held := eval[[]string](b, `[...document.querySelectorAll('#holders tbody tr')].map((tr) => tr.cells[1].innerText)`)
	var before time.Duration = 1 << 62
	for _, text := range held {
		d, err := time.ParseDuration(strings.NewReplacer("min", "m", " ", "", "<", "").Replace(text))
		if err != nil {
			t.Fatal(err)
		}
		if d > before {
			t.Errorf("the order of %q is not longest first", held)
		}
		before = d
	}
}

func TestAnOverloadedPoolShowsWhoWaits(t *testing.T) {
	s := stage(t, testdb.New(t), overloadPool)
	s.overload()
	b := open(t, 1280, 800)
	b.visit(s.url)
	for _, class := range []string{"high", "normal", "low"} {
		b.await(fmt.Sprintf(`[...document.querySelectorAll('#lanes .waits b')].some((b) => b.innerText === %q)`, class))
	}
	b.await(`[...document.querySelectorAll('#waiters tbody tr')].some((tr) =>
		tr.innerText.includes('invoice') && tr.innerText.includes('tenant acme') && tr.innerText.includes('from open_items($1)'))`)
	b.await(`['Degraded', 'Unhealthy'].some((s) => document.getElementById('state').innerText.includes(s))`)
	b.await(`document.getElementById('reasons').children.length > 0 && /waiting/.test(document.title)`)
	// A storm is one line with a number.
	b.await(`[...document.querySelectorAll('#events tbody tr')].some((tr) =>
		tr.innerText.includes('refused') && /×[0-9]{2}/.test(tr.innerText))`)
	lines := eval[[]string](b, `[...document.querySelectorAll('#events tbody tr')].map((tr) => tr.innerText)`)
	if len(lines) > 15 {
		t.Errorf("a storm of few kinds takes %d lines: %q", len(lines), lines)
	}
}

func TestABrokenDatabaseIsSeenAndItsReturnToo(t *testing.T) {
	on := testdb.Private(t, "synchronous_commit = on") // it loses what was committed last, otherwise
	s := stage(t, on, connector.Config{MaxConns: 6, AcquireTimeout: 2 * second})
	s.send(caller{label: "search", n: 8, pause: 100 * time.Millisecond, use: statement(search, 100*time.Millisecond)})
	b := open(t, 1280, 800)
	b.visit(s.url)
	b.await(`document.querySelector('.cell.running') !== null`)
	if err := on.Server.Stop(t.Context(), testdb.Immediate); err != nil {
		t.Fatal(err)
	}
	b.await(`document.getElementById('state').innerText.includes('Unhealthy')`)
	b.await(`document.getElementById('reasons').innerText.includes('connections cannot be opened')`)
	b.await(`document.querySelector('#events tbody').innerText.includes('cannot connect')`)
	b.await(`document.querySelectorAll('.cell.none').length >= 5`)
	b.await(`document.getAnimations().length === 0`)
	b.shoot("broken")
	if err := on.Server.Restart(t.Context(), testdb.Fast); err != nil {
		t.Fatal(err)
	}
	b.await(`document.querySelector('.cell.running') !== null && !document.getElementById('reasons').innerText.includes('cannot be opened')`)
}

// When nothing happens, what is on the page is what Stats says.
func TestTheNumbersAreThoseOfStats(t *testing.T) {
	s := stage(t, testdb.New(t), connector.Config{MaxConns: 4, AcquireTimeout: time.Minute})
	hold, let := context.WithCancel(s.ctx)
	defer let()
	s.send(caller{label: "holder", n: 3, use: func(_ context.Context, _ *sql.DB) error { return s.hold(hold) }})
	b := open(t, 1280, 800)
	b.visit(s.url)
	b.await(`document.querySelectorAll('#holders tbody tr').length === 3`)
	s.send(caller{label: "one more", n: 3, use: func(_ context.Context, _ *sql.DB) error { return s.hold(hold) }})
	b.await(`document.querySelector('#waiters tbody tr')?.cells[2].innerText === '2'`)
	b.await(`document.querySelectorAll('.cell.held').length === 4`)

	stats := s.pool.Stats()
	number := func(name string) string {
		return eval[string](b, fmt.Sprintf(`[...document.querySelectorAll('#numbers div, #totals div')].
			find((d) => d.querySelector('dt').innerText === %q).querySelector('dd').innerText`, name))
	}
	for name, want := range map[string]string{
		"in use": fmt.Sprintf("%d of %d", stats.InUseConns, stats.MaxConns), "waiting": fmt.Sprint(stats.Waiting),
		"Connections lent": fmt.Sprint(stats.AcquireCount), "Callers who waited": fmt.Sprint(stats.WaitCount),
		"Refused": fmt.Sprint(stats.RefusedCount), "Operations": fmt.Sprint(stats.QueryCount),
		"Connections opened": fmt.Sprint(stats.NewConnsCount), "Of these, failed": fmt.Sprint(stats.ErrorCount),
	} {
		b.await(fmt.Sprintf(`[...document.querySelectorAll('#numbers div, #totals div')].
			find((d) => d.querySelector('dt').innerText === %q).querySelector('dd').innerText === %q`, name, want))
		if got := number(name); got != want {
			t.Errorf("%s: the page has %q, Stats %q", name, got, want)
		}
	}
	if stats.InUseConns != 4 || stats.Waiting != 2 {
		t.Errorf("%d in use and %d waiting, want 4 and 2", stats.InUseConns, stats.Waiting)
	}
}

func TestALabelIsTextWhateverIsInIt(t *testing.T) {
	const evil = `<img src=x onerror="document.title='hacked'"><script>document.title='hacked'</script>&amp;"'`
	s := stage(t, testdb.New(t), connector.Config{MaxConns: 1, Name: evil, AcquireTimeout: time.Minute})
	hold := func(context.Context, *sql.DB) error {
		return s.hold(priority.WithTenant(priority.WithLabel(s.ctx, evil), evil))
	}
	s.send(caller{n: 3, use: hold})
	b := open(t, 1280, 800)
	b.visit(s.url)
	b.await(`document.querySelectorAll('#waiters tbody tr').length === 1 && document.querySelectorAll('#holders tbody tr').length === 1`)
	for _, place := range []string{"#pool", "#holders td.name", "#waiters td.name", ".cell .who", "#details"} {
		if text := b.text(place); !strings.Contains(text, evil) {
			t.Errorf("%s shows %q", place, text)
		}
	}
	if n := eval[int](b, `document.querySelectorAll('img, body script:not(:last-of-type)').length`); n > 0 {
		t.Errorf("%d elements were made of a label", n)
	}
	if title := eval[string](b, `document.title`); !strings.Contains(title, "1/1") {
		t.Errorf("the title is %q", title)
	}
	// And without scripts, where the server writes the markup.
	b = open(t, 1280, 800, emulation.SetScriptExecutionDisabled(true))
	b.run(chromedp.Navigate(s.url))
	var shown string
	b.run(chromedp.Text("body", &shown))
	if !strings.Contains(shown, evil) {
		t.Errorf("without scripts the page shows %q", shown)
	}
}

func TestNothingOfWhatStatementsCarryIsOnThePage(t *testing.T) {
	s := stage(t, testdb.New(t), connector.Config{MaxConns: 2, AcquireTimeout: time.Minute, LeakThreshold: second})
	const secret = "hunter2-4711"
	s.send(caller{label: "vault", n: 3, use: func(ctx context.Context, db *sql.DB) error {
		_, _ = db.ExecContext(ctx, `select 1/0 where 'literal `+secret+`' <> $1`, secret)
		_, err := db.ExecContext(ctx, `select pg_sleep(3) where 'literal `+secret+`' <> $1`, secret)
		return err
	}})
	b := open(t, 1280, 800)
	b.visit(s.url)
	b.await(`document.querySelector('#holders tbody').innerText.includes('pg_sleep(?)')`)
	b.await(`document.querySelector('#events tbody').innerText.includes('operation failed')`)
	b.await(`document.querySelector('#events tbody').innerText.includes('held too long')`)
	if html := eval[string](b, `document.documentElement.outerHTML + JSON.stringify([...document.querySelectorAll('*')].map((e) => e.shown))`); strings.Contains(html, secret) {
		t.Error("what was in a statement is on the page")
	}
}

func TestCellsAreReachedByKeyboard(t *testing.T) {
	s := stage(t, testdb.New(t), connector.Config{MaxConns: 30})
	s.send(caller{label: "keeper", n: 2, use: func(context.Context, *sql.DB) error { return s.hold(priority.WithLabel(s.ctx, "keeper")) }})
	b := open(t, 1280, 800)
	b.visit(s.url)
	b.await(`document.querySelectorAll('.cell.held').length === 2`)
	focused := func() string { return eval[string](b, `document.activeElement.id`) }
	for range 5 {
		if b.run(chromedp.KeyEvent(kb.Tab)); strings.HasPrefix(focused(), "cell-") {
			break
		}
	}
	press := func(key, want string) {
		t.Helper()
		if b.run(chromedp.KeyEvent(key)); focused() != want {
			t.Errorf("after %q the focus is on %q, want %q", key, focused(), want)
		}
	}
	if focused() != "cell-0" {
		t.Fatalf("the tab key leads to %q", focused())
	}
	perRow := eval[int](b, `[...document.querySelectorAll(".cell")].filter((c) => c.offsetTop === document.querySelector(".cell").offsetTop).length`)
	press(kb.ArrowRight, "cell-1")
	press(kb.ArrowDown, fmt.Sprintf("cell-%d", 1+perRow))
	press(kb.ArrowLeft, fmt.Sprintf("cell-%d", perRow))
	press(kb.ArrowUp, "cell-0")
	press(kb.ArrowUp, "cell-0")
	press(kb.End, "cell-29")
	if text := b.text("#details"); !strings.Contains(text, "Slot 30 is empty") {
		t.Errorf("the details of an empty slot are %q", text)
	}
	press(kb.Home, "cell-0")
	press(kb.Enter, "cell-0")
	if text := b.text("#details"); !strings.Contains(text, "keeper") || !strings.Contains(text, "Connection\n#1") {
		t.Errorf("the details are %q", text)
	}
	if label := eval[string](b, `document.activeElement.getAttribute('aria-label')`); !strings.Contains(label, "Connection 1, held, runs nothing, keeper") {
		t.Errorf("a screen reader says %q", label)
	}
	kept := func() int { return eval[int](b, `document.querySelectorAll('.cell[aria-selected=true]').length`) }
	b.run(chromedp.KeyEvent(kb.Tab)) // elsewhere: what was kept stays
	if kept() != 1 || !strings.Contains(b.text("#details"), "Connection\n#1") {
		t.Errorf("%d cells are kept, details %q", kept(), b.text("#details"))
	}
	b.run(chromedp.Focus("#cell-0"))
	if press(kb.Escape, "cell-0"); kept() != 0 {
		t.Error("Escape does not let the details go")
	}
}

func TestWithoutScriptsThereIsATable(t *testing.T) {
	s := stage(t, testdb.New(t), connector.Config{MaxConns: 2, AcquireTimeout: time.Minute})
	s.send(caller{n: 4, use: func(context.Context, *sql.DB) error { return s.hold(priority.WithLabel(s.ctx, "keeper")) }})
	b := open(t, 1280, 800, emulation.SetScriptExecutionDisabled(true))
	deadline := time.Now().Add(patience)
	var text string
	for !strings.Contains(text, "2 of 2 connections in use") || !strings.Contains(text, "2 callers wait, the first for") {
		if time.Now().After(deadline) {
			t.Fatalf("the page shows %q", text)
		}
		b.run(chromedp.Navigate(s.url), chromedp.Text("body", &text))
	}
	if strings.Count(text, "keeper") != 3 { // two lines of holders, one of those who wait
		t.Errorf("the page shows %q", text)
	}
	b.shoot("without-scripts")
}
