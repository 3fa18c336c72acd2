// Command compare measures poolsql and its peers side by side, in one process and one run.
//
//	go run ./examples/compare                      # everything, 5 rounds (H: 1), on a PostgreSQL of its own
//	go run ./examples/compare -run '^[AB]/'        # the experiments whose name matches
//	go run ./examples/compare -run '^H/'           # what faults cost: some 4 minutes
//	go run ./examples/compare -dsn "$DATABASE_URL" # on your server; it is only asked to select and to sleep, and H restarts one of its own
//
// It prints one Markdown table per group to standard output and its progress to standard error.
//
// # How the numbers are made
//
// Within a round every peer runs once, in an order that is rotated by one per round, so that a slow minute of the
// machine falls on all of them and none is always the first. Handles are opened for one run, their connections are
// opened and used before the clock starts, and the garbage of one run is collected before the next. A cell is the
// median over the rounds. A ratio is computed within each round, where both sides saw the same machine; the cell is the
// median of those, with the smallest and the largest in parentheses. Percentiles are taken from all samples of a run,
// sorted, never from buckets.
//
// Callers of a concurrent experiment are started first and let go together. Allocations are those of the whole process
// while they run, background goroutines of the pools included.
//
// # What the experiments are
//
//   - A: one caller on a driver whose Exec returns at once: what a layer itself costs.
//   - B: the same with 64 and 1,000 callers over 8 connections, in two variants. In the one called no-op, Exec returns
//     at once, and whether the others find a connection free is up to the scheduler and to the pool. In the one called
//     yield, Exec lets another goroutine run while it holds its connection, so that a queue forms for certain.
//   - C: `select 1` on PostgreSQL over 8 connections, by 1, 64 and 1,000 callers.
//   - D: one caller who matters among 200 who do not and keep 8 connections busy with `select pg_sleep(0.01)`. All
//     peers get the same contexts; only poolsql reads the priority in them.
//   - E: a closed loop of 64 callers on 8 connections with 5 ms of work each: fair turns would give everybody 40 ms.
//   - F: 50 callers at once on a pool of at most 50 connections of which 5 are open, where opening one takes 150 ms and
//     the work 2 ms (the spike of HikariCP's documentation).
//   - G: a queue with 100 waiters and one with a million: what to enter, to leave and to hand over costs, on the queue
//     alone and with a goroutine behind each waiter. The latter needs some 5 GiB.
//   - H: statements that end badly, against peers that have their defaults, and against pgx's handler that cancels instead
//     of closing. It has no ratios but a column of targets, which are poolsql's own.
//   - H, timeouts: 8 callers on 8 connections run 1,000 statements that outlast their context by far, or by next to nothing,
//     so that the cancel and the answer meet. Half of them are in transactions. Each is followed by 10 that have time,
//     the first of which runs for 3 ms: a cancel that comes late hits only what runs. What was opened is counted by the
//     pool's hook and its dialer, and which processes stayed is asked of the server.
//   - H, held: a caller who is alone on a pool of one connection lets a statement time out and runs another. "Late by" is
//     from the deadline until the call returns; "busy after that" until the next statement was answered, less what it
//     takes when nothing has happened; both as the caller sees them. Four do so at once. The 64 busy callers have
//     another pool, of 64 connections, and run "select 1" as fast as they can.
//   - H, restart: 64 callers run statements of 5 ms, which they allow to be repeated, and which only poolsql does. The
//     time begins when the server accepts connections; the rate is that of a quarter of a second, against the one before.
//   - H, down: the callers have a second for each call and come back 100 ms after it has failed. Dials are counted.
//   - H, hole: a network that takes everything and answers nothing, the requests to cancel included, until the caller has
//     returned. From then on new connections come through. "> 10" was given up after 10 seconds. A proxy of this program
//     stands for that network, and for the server that is down.
//   - I: an open loop: callers come at random, whatever became of those before them, more than can be served. An answer is useful
//     that comes before its caller's deadline. failsafe-go and bohde/codel limit as many callers as there are connections.
//     The work of I, J and K is a tenth more or less each time, and where the system can (Linux), the stand-in's calls end when
//     they should, to some 50 µs. With calls that all take the same, and that sleep by Go's timers, connections come free
//     several at a time, and whoever is next waits for all of them: the p99 of high is then 11 to 13 ms with every peer that serves high first.
//   - J: two tenants, of which one has as many calls as it can make. Only poolsql reads their names.
//   - K: statements of two lengths. Only poolsql reads their labels.
//   - L: callers that ask a server the same. Each execution has an answer of its own, so that the answers tell how many there
//     were. An answer is older than the call if it does not see a transaction that was committed before the call began.
//   - M: the load of I on a server, whose processes share the processors with what makes the load.
//   - P: one pool and three workloads, one after the other: statements that need a processor, that wait, and that want the same
//     row. The columns are sizes of the pool. It has no peers but itself; the best of the fixed sizes is what the limit
//     that follows is held against. It makes a table, so on a server of its own.
//
// H runs once by default, as it has hundreds of samples of most things and takes minutes. The peers have no acquire
// timeout, so their callers get a deadline.
package main
