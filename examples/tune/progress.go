package main

import (
	"fmt"
	"io"
	"time"

	"github.com/poolsql/poolsql/examples/internal/display"
)

// progress shows on w how far the measure is: a line that redraws itself on a terminal, a line for each pass elsewhere.
type progress struct {
	w        io.Writer
	terminal bool
	settings settings
	sizes    []int
	done     int
}

func startProgress(w io.Writer, s settings, sizes []int) *progress {
	return &progress{w: w, terminal: display.IsTerminal(w), settings: s, sizes: sizes}
}

// tell is called after each step.
func (p *progress) tell(pass, size int, s sample) {
	p.done++
	steps := len(p.sizes) * p.settings.passes
	left := p.settings.total(p.sizes) * time.Duration(steps-p.done) / time.Duration(steps)
	switch {
	case p.terminal:
		fmt.Fprintf(p.w, "\r\x1b[Kpass %d of %d  %3d connections  %s per second  %s left",
			pass+1, p.settings.passes, size, display.Rate(s.perSecond), left.Round(time.Second))
	case p.done%len(p.sizes) == 0:
		fmt.Fprintf(p.w, "pass %d of %d is done, %s left\n", pass+1, p.settings.passes, left.Round(time.Second))
	}
}

func (p *progress) end() {
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
