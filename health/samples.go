package health

import "time"

// maxWindow is the longest Config.Window, and how far back the history goes.
const maxWindow = 5 * time.Minute

// samples are the last ones, as many as a window needs. The zero value is of no use before init.
type samples struct {
	window time.Duration
	ring   []sample
	count  int // that were ever added
	from   time.Time
}

func (l *samples) init(window time.Duration) {
	l.window = window
	n := int(window / sampleEvery)
	l.ring = make([]sample, n+n/4+2) // with some room, as whoever asks for a report may be a little ahead of the clock
}

// last returns the newest, nil if there is none.
func (l *samples) last() *sample {
	if l.count == 0 {
		return nil
	}
	return &l.ring[(l.count-1)%len(l.ring)]
}

// fresh reports whether the newest is as new as is needed.
func (l *samples) fresh(now time.Time) bool {
	last := l.last()
	return last != nil && now.Sub(last.at) < sampleEvery
}

// add adds s, and returns the one before it and itself. Of two that are read at the same time the second to come may be the
// older: it is left out, and add returns nil. So it does for the one before the first.
func (l *samples) add(s *sample) (before, now *sample) {
	before = l.last()
	if before != nil {
		passed := s.at.Sub(before.at)
		if passed <= 0 || s.precedes(before) {
			return nil, nil
		}
		s.capacity = before.capacity + passed*time.Duration(s.max)
		s.busy = before.busy + busyBetween(before, s, passed)
	}
	now = &l.ring[l.count%len(l.ring)] // of which the one before is another
	*now = *s
	l.count++
	return before, now
}

// precedes reports whether s was read before b, whatever their times say, which are taken after the reading: what is counted
// only grows. Two are read at once where a report is asked for while the clock ticks, or two reports are.
func (s *sample) precedes(b *sample) bool {
	return s.waits < b.waits || s.connects < b.connects || s.connectErrors < b.connectErrors || s.failed < b.failed ||
		s.ranOut < b.ranOut
}

// busyBetween returns for how long connections were in use from a to b, together. The pool adds up what was released; what
// is held still is added here. The two are read one after the other, so what was held for long and released in between
// shows as a jump, up or down; then what was in use at b stands for the time.
func busyBetween(a, b *sample, passed time.Duration) time.Duration {
	busy := b.useTime + b.held - a.useTime - a.held
	if most := passed * time.Duration(max(a.max, b.max, b.total)); busy < 0 || busy > most+most/8 {
		return passed * time.Duration(b.inUse)
	}
	return busy
}

// restart has what was counted until now forgotten by windows.
func (l *samples) restart() {
	if last := l.last(); last != nil {
		l.from = last.at
	}
}

// base returns the sample where the window begins whose end is the newest: the youngest that is a window old, or the oldest
// there is.
func (l *samples) base() *sample {
	last := l.last()
	base := last
	for i := l.count - 1; i >= max(0, l.count-len(l.ring)); i-- {
		s := &l.ring[i%len(l.ring)]
		if s.at.Before(l.from) {
			break
		}
		base = s
		if last.at.Sub(s.at) >= l.window {
			break
		}
	}
	return base
}
