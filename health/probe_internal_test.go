package health

import (
	"testing"
	"time"
)

// An error and the connection that comes back with it are not counted in the same instant: as many of those that come back as
// there are connections may have failed.
func TestWhatComesBackBesideErrorsProvesNothingUnlessItIsMoreThanThereAreConnections(t *testing.T) {
	for _, c := range []struct {
		released, errors uint64
		proves           bool
	}{{1, 0, true}, {0, 0, false}, {1, 1, false}, {5, 1, false}, {6, 1, true}, {12, 8, false}, {13, 8, true}} {
		var p probe
		p.known.State = unknown
		begin := time.Now()
		before, now := &sample{at: begin, total: 4}, &sample{at: begin.Add(time.Second), total: 4, released: c.released, errors: c.errors}
		p.note(before, now)
		if proved := p.known.State == up; proved != c.proves {
			t.Errorf("%d came back and %d failed, on 4 connections: proved %t", c.released, c.errors, proved)
		}
	}
}

// Two who look at once may have their samples added in another order than they were read in.
func TestASampleThatWasReadBeforeTheLastIsLeftOut(t *testing.T) {
	begin := time.Now()
	newest := sample{at: begin.Add(time.Second), waits: 7, connects: 3, connectErrors: 2, failed: 5}
	for name, change := range map[string]func(*sample){
		"its time": func(s *sample) { s.at = begin }, "waits": func(s *sample) { s.waits-- }, "connects": func(s *sample) { s.connects-- },
		"attempts": func(s *sample) { s.connectErrors-- }, "failures": func(s *sample) { s.failed-- }, "": func(*sample) {},
	} {
		var l samples
		l.init(time.Minute)
		l.add(&sample{at: begin})
		n := newest
		l.add(&n)
		s := newest
		s.at = newest.at.Add(time.Millisecond)
		change(&s)
		if _, now := l.add(&s); (now == nil) != (name != "") {
			t.Errorf("older by %q: added %t", name, now != nil)
		}
	}
}
