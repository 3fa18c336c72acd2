package priority

import "time"

// guessDoubt is how many times slower than what is slow calls must seem that are taken for slow because of a guess. A guess
// is often wrong by a factor of some, seldom by one of ten, and a quick call that is taken for slow waits for nothing.
const guessDoubt = 4

// Guess tells s how long a call with this label, or without one with this statement, will hold its permit, before one was
// seen. It is for who can tell by other means, such as the plan of a query. It feeds the shares of tenants and, if it is far
// above [Limits.SlowAfter], makes the call slow; nobody is refused because of it. What is seen then soon outweighs it. Where
// something was seen already it changes nothing.
func (s *Scheduler) Guess(label, statement string, d time.Duration) {
	kind := kindOf(label, statement)
	if s.costs == nil || kind == "" || d <= 0 {
		return
	}
	c := s.costs.of(kind)
	if c == nil {
		c = s.costs.add(kind)
		c.statement = label == ""
	}
	if c.uses > 0 {
		return
	}
	took := float64(d)
	c.mean, c.typical, c.off, c.guessed = took, took, took/4, true
}

// kind is what a call is known by where it is learned what calls take. Labels and statements share one table; that a label
// is the text of a statement harms nobody.
func (o *Options) kind() string { return kindOf(o.Label, o.Statement) }

func kindOf(label, statement string) string {
	if label != "" {
		return label
	}
	return statement
}
