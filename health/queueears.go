package health

import (
	"time"

	"github.com/poolsql/poolsql/lifecycle"
)

// queueEars hear how long each caller waited who was lent a connection. To be told of lendings costs each of them some hundred
// nanoseconds, which is nothing beside a wait, and is not to be had for nothing where nobody waits. So they are on the pool only
// as long as there are waits. What was waited before they are is taken for as long as it was on average, which the pool counts.
type queueEars struct{ to *waits }

// Wants implements [lifecycle.Selective].
func (e queueEars) Wants(k lifecycle.Kind) bool { return k == lifecycle.KindAcquire }

// Observe implements [lifecycle.Observer].
func (e queueEars) Observe(event lifecycle.Event) {
	if event.Label != probeLabel {
		e.to.add(event.Wait)
	}
}

// A listening is whether the queueEars are on the pool.
type listening struct {
	// waited is when somebody was last seen to have waited, and from is the sample from which on everybody is heard, zero if
	// nobody is. They are guarded by Monitor.mu.
	waited, from time.Time
	// stop takes the ears off; nil if they are not on. Ticks alone use it, of which there is one at a time, and what comes after
	// the last of them.
	stop func()
}

// note takes in what was waited between two samples. If it was not heard, it is counted as the pool has it.
func (l *listening) note(w *waits, before, now *sample) {
	if now.waits > before.waits || now.waiting > 0 {
		l.waited = now.at
	}
	if n := now.waits - before.waits; n > 0 && (l.from.IsZero() || before.at.Before(l.from)) {
		w.addAll((now.waitTime-before.waitTime)/time.Duration(n), n)
		w.read(&now.waitCounts)
	}
}

// listen puts the queueEars on the pool while there are waits, and takes them off when there were none for as long as a window.
func (m *Monitor) listen() {
	l := &m.listening
	m.mu.Lock()
	at := m.samples.last().at
	want := !l.waited.IsZero() && at.Sub(l.waited) <= m.cfg.Window
	on := l.stop != nil
	switch {
	case want && !on:
		l.from = at
	case !want:
		l.from = time.Time{}
	}
	m.mu.Unlock()
	switch {
	case want && !on:
		l.stop = m.pool.ObserveOwn(queueEars{&m.ears.waits})
	case !want:
		l.end()
	}
}

func (l *listening) end() {
	if l.stop != nil {
		l.stop()
		l.stop = nil
	}
}
