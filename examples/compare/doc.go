// Command compare measures poolsql and its peers side by side, in one process and one run.
//
//	go run ./compare                      # everything, 5 rounds, on a PostgreSQL of its own
//	go run ./compare -run '^[AB]/'        # the experiments whose name matches
//	go run ./compare -dsn "$DATABASE_URL" # on your server; it is only asked to select and to sleep, and H restarts one of its own
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
//   - H: statements that end badly. Its table has no ratios but a column of targets, which are poolsql's own. A statement
//     that times out, by its context: what it costs in connections, whether its cancel hits one that comes after, and when
//     its connection serves again, less what the next statement takes anyway; "beside 64 busy callers" means another pool
//     of 64 connections, all of them in use. A server that is restarted, while 64 callers run statements of 5 ms that they
//     allow to be repeated; the rate is taken over a quarter of a second. A server that is down, whose callers have a second
//     for each call and come back 100 ms after it has failed. A network that takes everything and answers nothing, the
//     requests to cancel included, until the caller has returned; from then on new connections come through. "> 20" was
//     given up. What stands for the network is a proxy of this program; the peers have no acquire timeout, so their callers
//     get a deadline.
package main
