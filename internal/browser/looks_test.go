package browser_test

import (
	"context"
	"database/sql"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"

	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/priority"
)

// settle lets a scene go on for as long as pictures want a past to show.
func settle(t *testing.T) {
	t.Helper()
	if text := os.Getenv("POOLSQL_SCREENSHOTS_AFTER"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(d)
	}
}

// contrasts returns every text on the page that is hard to read: its contrast with what is behind it is below 4.5. Where a
// pattern is behind it, each of the pattern's colors counts.
const contrasts = `(() => {
	const parse = (c) => { const m = c.match(/rgba?\(([^)]+)\)/); return m ? m[1].split(/[ ,/]+/).map(Number) : null; };
	const light = (c) => {
		const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
	const behind = (e) => {
		for (; e; e = e.parentElement) {
			const s = getComputedStyle(e);
			const pattern = [...s.backgroundImage.matchAll(/rgba?\([^)]+\)/g)].map((m) => parse(m[0]));
			if (pattern.length) return pattern;
			const c = parse(s.backgroundColor);
			if (c && c[3] !== 0) return [c];
		}
		return [[255, 255, 255]];
	};
	const faults = [];
	for (const e of document.querySelectorAll('body *')) {
		if (!e.checkVisibility() || e.closest('.visually-hidden, script, style, noscript')) continue;
		if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
		const s = getComputedStyle(e);
		const ink = parse(e instanceof SVGElement ? s.fill : s.color);
		for (const b of behind(e)) {
			const r = ratio(ink.slice(0, 3), b.slice(0, 3));
			if (r < 4.5) faults.push(e.className + ' "' + e.textContent.trim().slice(0, 30) + '" ' + r.toFixed(2));
		}
	}
	return faults;
})()`

// everyState shows a cell of each state, and each color of the head and of the events, which a pool does not have at once.
const everyState = `(() => {
	const cells = [...document.querySelectorAll('.cell')];
	['running', 'reading', 'transaction', 'held', 'idle', 'opening', 'draining', 'closing'].forEach((state, i) => {
		cells[i].className = 'cell ' + state;
		cells[i].querySelector('.who').textContent = state;
	});
	for (const c of ['good', 'warn', 'bad', '']) {
		const pill = document.getElementById('state').cloneNode(true);
		pill.className = 'pill ' + c;
		document.querySelector('.verdict').append(pill);
		const number = document.querySelector('#numbers div').cloneNode(true);
		number.className = c;
		document.getElementById('numbers').append(number);
		const kind = document.createElement('span');
		kind.className = 'kind ' + c;
		kind.textContent = 'kind';
		document.querySelector('#totals').append(kind);
	}
	const banner = document.getElementById('banner');
	banner.hidden = false;
	banner.textContent = 'Disconnected';
	return true;
})()`

func TestEverythingCanBeReadInLightAndDark(t *testing.T) {
	s := stage(t, testdb.New(t), overloadPool)
	s.overload()
	for _, scheme := range []string{"light", "dark"} {
		t.Run(scheme, func(t *testing.T) {
			b := open(t, 1280, 800, prefers("prefers-color-scheme", scheme, "prefers-reduced-motion", "reduce"))
			b.visit(s.url)
			b.await(`document.querySelectorAll('#waiters tbody tr').length > 2 && document.querySelectorAll('#events tbody tr').length > 0`)
			dark := eval[bool](b, `getComputedStyle(document.body).backgroundColor === 'rgb(14, 17, 22)'`)
			if dark != (scheme == "dark") {
				t.Errorf("in %s the background is %s", scheme, eval[string](b, `getComputedStyle(document.body).backgroundColor`))
			}
			// In one step, before the next tick draws what is.
			for _, fault := range eval[[]string](b, `(`+everyState+`, `+contrasts+`)`) {
				t.Error("hard to read: ", fault)
			}
		})
	}
}

func TestContrastsAreMeasured(t *testing.T) {
	s := stage(t, testdb.New(t), busyPool)
	b := open(t, 1280, 800)
	b.visit(s.url)
	faults := eval[[]string](b, `(document.getElementById('pool').style.color = '#999', `+contrasts+`)`)
	if len(faults) != 1 || !strings.Contains(faults[0], "orders") {
		t.Errorf("gray on white: %q", faults)
	}
}

// Not even a label without a space makes the page wider than the screen.
func TestNothingIsWiderThanAPhone(t *testing.T) {
	s := stage(t, testdb.New(t), overloadPool)
	s.overload()
	long := strings.Repeat("averylonglabelwithoutaspace", 6)
	s.send(caller{n: 2, use: func(context.Context, *sql.DB) error {
		return s.hold(priority.WithTenant(priority.WithLabel(s.ctx, long), long))
	}})
	for _, width := range []int64{360, 412, 600, 768, 1024, 1920} {
		b := open(t, width, 780)
		b.visit(s.url)
		b.await(`document.querySelectorAll('#waiters tbody tr').length > 2 && document.querySelectorAll('#events tbody tr').length > 0`)
		b.await(`document.body.innerText.includes('averylong')`)
		if wide := eval[int64](b, `document.documentElement.scrollWidth`); wide > width {
			t.Errorf("on %d pixels the page is %d wide: %q", width, wide, eval[[]string](b, `[...document.querySelectorAll('body *')].
				filter((e) => e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.tagName + '.' + e.className).slice(0, 8)`))
		}
		if clipped := eval[[]string](b, `[...document.querySelectorAll('td, th, dd, dt, li, h1, h2')].filter((e) => e.checkVisibility() &&
			!e.closest('.visually-hidden, #strip') && !e.querySelector('.query') && e.scrollWidth > e.clientWidth + 1 &&
			getComputedStyle(e).display !== 'inline').map((e) => e.tagName + '.' + e.className + ' ' + e.textContent.slice(0, 40))`); len(clipped) > 0 {
			t.Errorf("on %d pixels these stand out of their place: %q", width, clipped)
		}
	}
}

// A spokenNode is one of the tree that the browser gives to screen readers, as far as the test looks at it. cdproto's own type
// does not know every word of a newer browser.
type spokenNode struct {
	Ignored bool       `json:"ignored"`
	Role    spokenText `json:"role"`
	Name    spokenText `json:"name"`
}

type spokenText struct {
	Value string `json:"value"`
}

func spoken(b *tab) []spokenNode {
	b.t.Helper()
	var tree struct {
		Nodes []spokenNode `json:"nodes"`
	}
	b.run(chromedp.ActionFunc(func(ctx context.Context) error {
		return cdp.Execute(ctx, accessibility.CommandGetFullAXTree, nil, &tree)
	}))
	return tree.Nodes
}

// What a screen reader is told, in the words of the browser's own tree of what is on the page.
func TestAScreenReaderIsToldWhatIsThere(t *testing.T) {
	s := stage(t, testdb.New(t), overloadPool)
	s.overload()
	for _, width := range []int64{1280, 360} {
		b := open(t, width, 800)
		b.visit(s.url)
		b.await(`document.querySelectorAll('#waiters tbody tr').length > 2 && document.querySelectorAll('#events tbody tr').length > 0`)
		found := map[string]int{}
		for _, n := range spoken(b) {
			if n.Ignored {
				continue
			}
			role, name := n.Role.Value, n.Name.Value
			found[role]++
			found[role+" "+name]++
			if (role == "option" || role == "image" || role == "table" || role == "button") && name == "" {
				t.Errorf("a %s has no name", role)
			}
		}
		for _, want := range []string{
			"table Who holds what", "table Who waits", "table Recent events", "heading orders", "heading Who waits",
			"listbox Connections, one for each slot", "status ", "main ", "columnheader Held for", "region Details of the connection",
			"list The queue of each class", "list Why",
		} {
			if found[want] == 0 {
				t.Errorf("at %d pixels there is no %q in %v", width, want, found)
			}
		}
		if found["option"] != 12 || found["row"] < 6 || found["cell"] < 16 || found["image"] < 4 {
			t.Errorf("at %d pixels: %d options, %d rows, %d cells, %d charts", width, found["option"], found["row"], found["cell"], found["image"])
		}
		// What is read out by itself changes with the state, not with the second.
		if live := eval[int](b, `document.querySelectorAll('[aria-live], [role=status], [role=alert], [role=log]').length`); live != 2 {
			t.Errorf("%d regions are read out by themselves", live)
		}
		if said := b.text("#said"); said != "" && !strings.HasPrefix(said, "Health is") {
			t.Errorf("it was said: %q", said)
		}
	}
}

func TestNothingMovesForThoseWhoWantNoMotion(t *testing.T) {
	s := stage(t, testdb.New(t), busyPool)
	b := open(t, 1280, 800, prefers("prefers-reduced-motion", "reduce"))
	b.visit(s.url)
	moving := eval[[]string](b, `[...document.querySelectorAll('*')].filter((e) => { const s = getComputedStyle(e);
		return s.transitionDuration !== '0s' || s.animationName !== 'none'; }).map((e) => e.className)`)
	if len(moving) > 0 {
		t.Errorf("these move: %q", moving)
	}
}

// TestPictures leaves pictures of busy scenes.
func TestPictures(t *testing.T) {
	if os.Getenv("POOLSQL_SCREENSHOTS") == "" {
		t.Skip("POOLSQL_SCREENSHOTS names no folder to keep them in")
	}
	s := stage(t, testdb.New(t), busyPool)
	s.busy()
	o := stage(t, testdb.New(t), overloadPool)
	o.overload()
	settle(t)
	for _, scheme := range []string{"light", "dark"} {
		b := open(t, 1280, 800, prefers("prefers-color-scheme", scheme))
		b.visit(s.url)
		time.Sleep(2 * second)
		b.shoot("busy-" + scheme)
		b.visit(o.url)
		time.Sleep(2 * second)
		b.shoot("overload-" + scheme)
	}
	b := open(t, 360, 780, prefers("prefers-color-scheme", "light"))
	b.visit(o.url)
	time.Sleep(2 * second)
	b.shoot("phone")
}
