package health

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// maxStreams is how many may look at a page at once. It bounds what a page that somebody left open on a hundred screens can
// cost; a team has fewer.
const maxStreams = 64

// A live reads the pool once a second for all who look at a page, and encodes what it read once for all of them. Nobody is
// waited for: who is slow reads the frame that is the newest when he is ready, and misses those between. Safe for concurrent
// use.
type live struct {
	monitor *Monitor
	events  *eventLog

	// mu guards what follows. Nothing is read from the pool while it is held.
	mu      sync.Mutex
	newest  *frame
	streams int
	ticking bool
	servers map[*http.Server]chan struct{} // closed when the server shuts down
}

// A frame is what was read at one instant. It does not change.
type frame struct {
	at    time.Time
	tick  *tick
	event []byte        // as the stream has it
	hello func() []byte // what a stream begins with: the same, and the past
	newer chan struct{} // closed when there is a newer one
}

// newLive has the page's list of events begin now. It ends with the monitor.
func newLive(m *Monitor) *live {
	l := &live{monitor: m, events: newEventLog(), servers: make(map[*http.Server]chan struct{})}
	context.AfterFunc(m.ctx, m.pool.Observe(ownEvents{l.events, m.pool.Config().Name}))
	return l
}

// frame returns what is to be shown to who comes now: the newest frame, if it is no older than the next would be.
func (l *live) frame() *frame {
	if f := l.current(); f != nil && time.Since(f.at) < sampleEvery {
		return f
	}
	return l.publish(l.read())
}

// current returns the newest frame, nil if there is none.
func (l *live) current() *frame {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.newest
}

// read makes a frame of the instant.
func (l *live) read() *frame {
	m := l.monitor
	m.mu.Lock()
	started := m.started && !m.closed
	m.mu.Unlock()
	if started {
		m.refresh()
	} else {
		m.judge(m.look()) // nobody else does
	}
	f := &frame{at: time.Now(), tick: l.tick(), newer: make(chan struct{})}
	f.event = encodeEvent("tick", f.tick)
	past := m.History()
	f.hello = sync.OnceValue(func() []byte {
		return encodeEvent("hello", hello{Build: assets.Build, Points: pointsOf(past), Tick: f.tick})
	})
	return f
}

// publish makes f the newest, unless there is one that is newer, and wakes those who wait for it. It returns the newest.
func (l *live) publish(f *frame) *frame {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.newest != nil {
		if l.newest.at.After(f.at) {
			return l.newest
		}
		close(l.newest.newer)
	}
	l.newest = f
	return f
}

// enter reports whether one more may look, who then has to call leave. The first of them has the clock started, unless the
// monitor is closed, which is for good.
func (l *live) enter() bool {
	l.mu.Lock()
	if l.streams == maxStreams {
		l.mu.Unlock()
		return false
	}
	l.streams++
	first := !l.ticking
	l.ticking = true
	l.mu.Unlock()
	if first && l.monitor.enter() {
		go l.run()
	}
	return true
}

func (l *live) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams--
}

// run makes a frame a second, until nobody looks any more.
func (l *live) run() {
	defer l.monitor.work.Done()
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-l.monitor.ctx.Done():
			return
		}
		l.mu.Lock()
		l.ticking = l.streams > 0
		ticking := l.ticking
		l.mu.Unlock()
		if !ticking {
			return
		}
		l.publish(l.read())
	}
}

// encodeEvent returns an event as an event stream has it. JSON has no line ends but in its own escapes.
func encodeEvent(name string, data any) []byte {
	text, err := json.Marshal(data)
	if err != nil {
		panic("poolsql: bug: " + err.Error()) // there is nothing in it that could not be written
	}
	event := make([]byte, 0, len(text)+len(name)+16)
	event = append(append(event, "event: "...), name...)
	event = append(append(event, "\ndata: "...), text...)
	return append(event, "\n\n"...)
}
