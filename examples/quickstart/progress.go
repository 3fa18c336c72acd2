package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/poolsql/poolsql/examples/internal/display"
	"golang.org/x/term"
)

const (
	redrawEvery = 100 * time.Millisecond // a bar that moves smoothly
	tellEvery   = time.Second            // a log that stays readable
	barWidth    = 24
)

// progress shows on w how far a load is until stop is called: a bar that redraws itself on a terminal, a line a second
// elsewhere.
type progress struct {
	name     string
	duration time.Duration
	tally    *tally
	w        io.Writer
	terminal bool
	started  time.Time

	ended   chan struct{}
	drawing sync.WaitGroup
}

func startProgress(w io.Writer, name string, duration time.Duration, t *tally) *progress {
	p := &progress{
		name: name, duration: duration, tally: t,
		w: w, terminal: display.IsTerminal(w), started: time.Now(),
		ended: make(chan struct{}),
	}
	p.drawing.Go(p.draw)
	return p
}

// stop ends the drawing and leaves one line behind. It is called once.
func (p *progress) stop() {
	close(p.ended)
	p.drawing.Wait()
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
	fmt.Fprintf(p.w, "%-12s  %s\n", p.name, p.counts())
}

func (p *progress) draw() {
	every := tellEvery
	if p.terminal {
		every = redrawEvery
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-p.ended:
			return
		case <-ticker.C:
			p.show(time.Since(p.started))
		}
	}
}

func (p *progress) show(elapsed time.Duration) {
	if !p.terminal {
		// After the measured time only the last calls are awaited: nothing worth a line of the log.
		if elapsed < p.duration {
			fmt.Fprintf(p.w, "%-12s  %2.0fs of %v  %s\n", p.name, elapsed.Seconds(), p.duration, p.counts())
		}
		return
	}
	share := min(elapsed.Seconds()/p.duration.Seconds(), 1)
	full := int(share * barWidth)
	bar := strings.Repeat("=", full) + strings.Repeat(" ", barWidth-full)
	line := fmt.Sprintf("%-12s  [%s] %3.0f%%  %s", p.name, bar, share*100, p.counts())
	// A line that wraps cannot be drawn over.
	if width := terminalWidth(p.w); len(line) >= width {
		line = line[:max(width-1, 0)]
	}
	fmt.Fprint(p.w, "\r\x1b[K"+line)
}

func (p *progress) counts() string {
	var parts []string
	for k := range kinds {
		parts = append(parts, fmt.Sprintf("%s %s", k, display.Number(p.tally.of[k].count())))
	}
	return strings.Join(parts, "  ")
}

func terminalWidth(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 80
}
