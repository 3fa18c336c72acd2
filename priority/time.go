package priority

import "github.com/poolsql/poolsql/internal/mono"

// A Time is a point of time on the clock that schedulers go by: it never runs backwards and knows no date. Its methods
// are those of a point of time; the zero value stands for "never".
type Time = mono.Time

// Now returns the current time.
func Now() Time { return mono.Now() }
