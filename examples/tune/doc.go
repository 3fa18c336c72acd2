// Command tune finds out how large a pool should be, by trying.
//
//	go run ./examples/tune                                   # a transaction like pgbench's, on a PostgreSQL of its own
//	go run ./examples/tune -dsn "$DATABASE_URL" -load select # in a schema of its own on your server, dropped at the end
//	go run ./examples/tune -dsn "$DATABASE_URL" -instances 3 -p99 20ms \
//		-query 'select * from orders where customer = $1' -args 'int:1-100000'
//
// It runs one statement or transaction at a ladder of pool sizes, and prints and draws throughput, p50 and p99 by size,
// the knee, and the configuration that follows: for the server's limits, for what others use of it, and for the number
// of instances of the application.
//
// A statement of yours runs many thousands of times against the database that you name. The server is told that
// transactions are read-only, and refuses one that writes, unless -write is given; then what it writes stays.
//
// # How it is measured
//
// There is one pool, which is resized between steps and never reopened, as Connector.Resize would do it in production.
// More callers than connections call again as soon as they are answered: every connection that comes back goes to
// somebody who waits, so that nothing limits but the pool, and behind it the server. Each step opens its connections and
// warms up before the clock starts. The ladder is gone up and down, five times in all, so that what changes in the course
// of the run weighs on all sizes alike, and the medians of the passes count. A call that is under way when the clock
// starts or stops counts for its share.
//
// Latencies are those of a call from the moment it has its connection until it gives that back, as the pool's observer is
// told. What a caller waits before that is not in them. In a closed loop it is the number of callers over the throughput
// (Little's law), which says something of this program and nothing of your application: an application comes with the
// calls that it has.
//
// The parameters of the DSN whose names begin with pool_ count, so that what they cost each call is in the measure: a
// pool_reset_query, say. The ladder decides the size, and all its callers wait as long as it takes, so pool_max_conns,
// pool_min_conns, pool_high_reserve, pool_max_waiting and pool_acquire_timeout do not.
//
// Behind a PgBouncer, which the DSN should name (pool_pgbouncer=transaction), the sizes are those of connections to PgBouncer,
// and the limits those of the server. In transaction mode there is no start-up parameter that makes transactions read-only,
// so a statement of yours needs -write there, or a role that has default_transaction_read_only set.
//
// # What the knee is
//
// The smallest size whose throughput is within 5% (-within) of the best. To that belongs how sure it is: the search is
// repeated on a thousand curves that might have been measured as well, given how much the passes differ, and if their
// knees are spread over more than three sizes, the program says that it cannot tell. If throughput still grows at the
// largest size, it says that too.
//
// Two known ways were tried beside this one (TestTheRuleFindsMoreKneesThanItsRivals). Kneedle (Satopaa, Albrecht, Irwin,
// Raghavan: Finding a "Kneedle" in a Haystack, 2011) looks for the point of the curve that is farthest above its chord. It
// has no notion of noise, and none of how much is lost; it finds a knee where a curve is flat from the start, or straight
// to the top. The Universal Scalability Law (Gunther: Guerrilla Capacity Planning, 2007) is fitted to the whole curve. It
// is smooth, and a hard limit, such as a lock or the number of cores, is not: there its bend is elsewhere. Of 420 curves
// with a noise of 3% the rule found the knee, give or take a size, in 418, Kneedle in 331, and the fitted law in 300. The
// rule presumes no shape, and its one number is what an operator can judge: how much throughput may be given up for fewer
// connections.
package main
