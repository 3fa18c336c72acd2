// Package health judges how well a pool does, tells it to those who observe the pool, and serves it over HTTP.
//
//	m, err := health.New(pool, health.Config{})
//	…
//	m.Start()
//	defer m.Close()
//	h, err := health.NewHandler(m, health.HandlerOptions{})
//	…
//	http.Handle("/health/", http.StripPrefix("/health", h))
//
// A [Monitor] reads the pool's counters once a second, and looks at the differences over a window of a minute: what the pool
// did last week says nothing of now. From these it makes a score, from the score a status, and words for why. What no counter
// tells it hears as an observer: which errors were the database's and what was leaked, always; how long each caller waited,
// only while there are callers who wait. So where nobody waits, an operation costs what it costs without a monitor, and where
// somebody does, it is some hundred nanoseconds more. Neither allocates anything.
//
// # The score
//
// It is 100 less what each factor takes, and 0 at least. A factor takes nothing as long as its measure is good, its whole
// weight when it is bad, and in between a part in proportion. Rates and quantiles are those of the window.
//
//	factor       measure                                                              good   bad    weight
//	database     probes in a row that failed                                          0      2      100
//	refused      part of the callers, of 20 at least, who were turned away or ran
//	             out of time                                                          0      0.25   30
//	starved      the same                                                             0.5    1      40
//	failures     part of the operations, of 20 at least, that failed for want of
//	             the server or of the connection                                      0      0.1    40
//	wait         wait for a connection, as a multiple of Config.WaitTarget: the 99th
//	             percentile, or that of the caller who has waited longest, or of the
//	             first who waits at PgBouncer, whichever is longest                   1      20     25
//	connecting   part of the attempts to connect, of 4 at least, that failed          0      0.5    20
//	leaks        part of the maximum that is held past the pool's leak threshold      0      0.5    20
//	utilization  percentage of the maximum that was in use, over time                 80     100    5
//
// A database that does not answer is unhealthy by itself, once a second probe has found it so. Load, that is refused, wait and
// utilization, takes 60 at most, which is degraded: to take a process out of service that is merely busy sends its work to those
// who are as busy. Only when more than half of the callers get nothing does it become unhealthy. A full pool takes next to
// nothing: a pool is there to be used.
//
// Turned away are callers for whom time ran out, for whom the queue was full, who would have been in a deadlock, or for whom
// no connection could be opened; not those who left, and not those whom an operator sent away. Out of time is an operation for
// which a limit or its caller's deadline ran out: where callers have deadlines, the queue leaves many too little. An operation that fails for a
// reason of its own, such as a unique constraint, is in the error rate and the warnings, but takes nothing.
//
// For example: in the last minute 540 callers got a connection and 60 were turned away, that is 10 %; 3 of 540 operations lost
// their connection; the 99th percentile of the waits was 480 ms with a target of 100 ms; 92 % of the maximum was in use.
//
//	refused      30 × 0.1 / 0.25              = 12.0
//	failures     40 × 3 / 540 / 0.1           =  2.2
//	wait         25 × (4.8 − 1) / (20 − 1)    =  5.0
//	utilization  5 × (92 − 80) / (100 − 80)   =  3.0
//	score        100 − 22.2                   = 78
//
// # The status
//
// Below 80 the pool is degraded, and healthy again from 90. Below 40 it is unhealthy, and degraded again from 50. A worse status
// is taken at once, as the window has smoothed the score already; a better one when the present has lasted for Config.Dwell.
//
// When the database is back after it was down, the window begins anew. The failures of an outage say nothing of the time after
// it, and would keep every process out of service for a minute that could serve.
//
// # The probe
//
// Operations of callers that succeed prove that the database answers. Only when none has for an interval, or when something
// speaks against it, is the database asked: by a ping of class High, on a connection of the pool, within the maximum. A probe
// that finds no connection free says that the pool is busy, which is not held against the database. One that failed is
// repeated after two seconds, and so is one where operations or connects fail and nothing succeeds. So a database that stops is
// found within Config.Interval if the pool is idle, and within seconds under load.
//
// # Warnings
//
// They are for people, and change no status: each names a number above its threshold (see [Thresholds]). Utilization is of the
// maximum, since what is open is what is needed: a pool with one connection open, and that in use, is not full.
//
// # Kubernetes
//
// Liveness should look at live, which says only that the process answers: to restart it mends no database. Readiness should look
// at ready, which fails when the pool is unhealthy, draining, closed or suspended. See [NewHandler].
package health
