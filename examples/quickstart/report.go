package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/poolsql/poolsql/examples/internal/display"
)

// report is all that the reader gets to see at the end.
type report struct {
	settings settings
	before   ledger
	sides    [len(sides)]sideResult
}

// write prints the table, the money, the proof, and what they mean. It tells whether all was well.
func (r report) write(w io.Writer) (sound bool) {
	ink := ink(display.IsTerminal(w) && os.Getenv("NO_COLOR") == "")
	fmt.Fprintln(w)
	r.writeTable(w, ink)
	fmt.Fprintln(w)
	r.writeMoney(w, ink)
	fmt.Fprintln(w)
	sound = r.writeProof(w, ink)
	fmt.Fprintln(w)
	r.writeMeaning(w, sound)
	return sound
}

const tableLine = "%-22s %-10s %14s %14s   %s"

func (r report) writeTable(w io.Writer, ink ink) {
	plain, ours := r.sides[0], r.sides[1]
	fmt.Fprintf(w, "How long callers waited for their answer: %d connections, %s accounts, %v a side\n\n",
		r.settings.conns, display.Number(r.settings.accounts), r.settings.duration)
	fmt.Fprintln(w, ink.bold(fmt.Sprintf(tableLine, "", "", plain.name, ours.name, "factor")))
	for k := range kinds {
		a, b := plain.of[k], ours.of[k]
		rows := []struct {
			title  string
			figure string
			a, b   string
			factor factor
		}{
			{fmt.Sprintf("%s: %s", className(k), k), "p50", display.Milliseconds(a.p50), display.Milliseconds(b.p50), slower(a.p50, b.p50)},
			{fmt.Sprintf("  %d callers", r.settings.callers[k]), "p99", display.Milliseconds(a.p99), display.Milliseconds(b.p99), slower(a.p99, b.p99)},
			{"", "max", display.Milliseconds(a.max), display.Milliseconds(b.max), slower(a.max, b.max)},
			{"", "per second", display.Rate(a.perSecond), display.Rate(b.perSecond), more(a.perSecond, b.perSecond)},
		}
		for _, row := range rows {
			fmt.Fprintf(w, tableLine+"\n", row.title, row.figure, row.a, row.b, ink.judge(row.factor))
		}
	}
	fmt.Fprintf(w, tableLine+"\n", "Connections", "opened", display.Number(plain.connections), display.Number(ours.connections),
		"as the server counted them")
}

const moneyLine = "%-34s %15s %19s %15s"

func (r report) writeMoney(w io.Writer, ink ink) {
	books := []ledger{r.before, r.sides[0].after, r.sides[1].after}
	line := func(title string, cell func(ledger) string) {
		fmt.Fprintf(w, moneyLine+"\n", title, cell(books[0]), cell(books[1]), cell(books[2]))
	}
	fmt.Fprintln(w, ink.bold(fmt.Sprintf(moneyLine, "The money", "before", "after "+r.sides[0].name, "after "+r.sides[1].name)))
	line("Sum of all balances", func(l ledger) string { return money(l.balances) })
	line("Moved, says history", func(l ledger) string { return money(l.moved) })
	line("Moved, say the tellers", func(l ledger) string { return money(l.tellers) })
	line("Moved, say the branches", func(l ledger) string { return money(l.branches) })
	line("Transfers acknowledged to callers", func(l ledger) string { return display.Number(l.acknowledged) })
	line("Transfers in history", func(l ledger) string { return display.Number(l.rows) })
}

// writeProof says what was checked and held, and what is wrong.
func (r report) writeProof(w io.Writer, ink ink) (sound bool) {
	var wrong, failed []string
	for _, s := range r.sides {
		for _, what := range s.after.wrong {
			wrong = append(wrong, fmt.Sprintf("after %s: %s", s.name, what))
		}
		for k := range kinds {
			for _, text := range slices.Sorted(maps.Keys(s.of[k].failed)) {
				failed = append(failed, fmt.Sprintf("%s: %s %s failed: %s", s.name, display.Number(s.of[k].failed[text]), k, text))
			}
			if s.of[k].calls == 0 {
				failed = append(failed, fmt.Sprintf("%s: no %s were answered at all", s.name, k))
			}
		}
	}
	var held []string
	if len(wrong) == 0 {
		held = append(held,
			"the sum of all balances never changed: no money was lost or made",
			"every account, teller, and branch agrees with history",
			"every acknowledged transfer is in history exactly once, and no other is")
	}
	if len(failed) == 0 {
		seen := r.sides[0].of[reports].calls + r.sides[1].of[reports].calls
		held = append(held,
			fmt.Sprintf("all %s reports, taken while money moved, saw the same sum; no call failed", display.Number(seen)))
	}
	for _, text := range held {
		fmt.Fprintf(w, "%s %s\n", ink.good("ok"), text)
	}
	for _, text := range append(wrong, failed...) {
		fmt.Fprintf(w, "%s %s\n", ink.bad("WRONG"), text)
	}
	return len(wrong)+len(failed) == 0
}

// writeMeaning says in two sentences what was seen and where to go next.
func (r report) writeMeaning(w io.Writer, sound bool) {
	a, b := r.sides[0].of, r.sides[1].of
	switch {
	case !sound:
		fmt.Fprintln(w, "Something is WRONG, see above, so the figures mean little. Please report it with this output.")
		return
	case slower(a[lookups].p99, b[lookups].p99).better < 1:
		fmt.Fprintf(w, "In this run the lookups did not gain: 99 in 100 were answered within %s instead of\n"+
			"%s. poolsql helps where callers wait for connections: try more (-reports 200).\n",
			display.Milliseconds(b[lookups].p99), display.Milliseconds(a[lookups].p99))
	default:
		fmt.Fprintf(w, "With the same callers and %d connections, poolsql served first whoever mattered most:\n"+
			"99 in 100 lookups were answered within %s instead of %s, transfers within\n"+
			"%s instead of %s, and reports, which can wait, came to %s a second (plain: %s).\n",
			r.settings.conns, display.Milliseconds(b[lookups].p99), display.Milliseconds(a[lookups].p99),
			display.Milliseconds(b[transfers].p99), display.Milliseconds(a[transfers].p99),
			display.Rate(b[reports].perSecond), display.Rate(a[reports].perSecond))
	}
	fmt.Fprintln(w, "Next: README.md shows how to put poolsql behind your own *sql.DB, in one line.")
}

// factor says how the second side stands against the first.
type factor struct {
	text   string
	better int // 1 better, -1 worse, 0 as good as equal
}

// likeness is the share by which two figures may differ and still count as equal: a run of some seconds says no more.
const likeness = 1.1

func slower(plain, ours time.Duration) factor {
	return compared(float64(plain), float64(ours), "faster", "slower")
}

func more(plain, ours float64) factor { return compared(ours, plain, "more", "fewer") }

// compared calls it better that a is more than b.
func compared(a, b float64, better, worse string) factor {
	switch {
	case a <= 0 || b <= 0:
		return factor{text: "-"}
	case a > b*likeness:
		return factor{times(a/b) + " " + better, 1}
	case b > a*likeness:
		return factor{times(b/a) + " " + worse, -1}
	default:
		return factor{text: "about the same"}
	}
}

func times(f float64) string {
	if f < 9.95 {
		return fmt.Sprintf("%.1fx", f)
	}
	return display.Number(int(f+0.5)) + "x"
}

// ink colors text, or leaves it as it is.
type ink bool

func (i ink) paint(code, text string) string {
	if !i {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (i ink) bold(text string) string { return i.paint("1", text) }
func (i ink) good(text string) string { return i.paint("32", text) }
func (i ink) bad(text string) string  { return i.paint("31", text) }

func (i ink) judge(f factor) string {
	switch f.better {
	case 1:
		return i.good(f.text)
	case -1:
		return i.paint("33", f.text)
	default:
		return f.text
	}
}

// money writes cents as a sum of money.
func money(cents int64) string {
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return fmt.Sprintf("%s%s.%02d", sign, display.Number(cents/100), cents%100)
}
