package priority

import "time"

// A Use is what a [Scheduler] notes of a permit that is out, to be given back to it with the permit. The zero value is a
// permit of which there is nothing to note. It belongs to whoever holds the permit.
type Use struct {
	began Time // 0 where nobody wants to know
}

// Use returns what is noted of the permit that w was granted. It may be asked when Granted is true, and by the owner once
// Next has returned w.
func (w *Waiter) Use() Use { return w.use }

// Reckon tells s for how long a permit was out that u notes and that a call with this label held. It is called beside
// Release, before Next.
func (s *Scheduler) Reckon(u Use, label string, used time.Duration) {
	if s.costs != nil {
		s.costs.learn(label, used)
	}
}
