// Package pgbouncer reads PgBouncer's console: its pools, its statistics, its version, its settings.
//
//	client, err := pgbouncer.New("postgres://stats:secret@bouncer:6432/pgbouncer")
//	...
//	defer client.Close()
//	pools, err := client.Pools(ctx)
//	for _, p := range pools {
//		fmt.Println(p.Database, p.ClientsWaiting, p.MaxWait)
//	}
//
// The user has to be one of PgBouncer's stats_users or admin_users. Nothing but SHOW is ever sent.
//
// Columns are found by their names, wherever they stand. What a newer PgBouncer adds is ignored. What every version since
// 1.8 has is a plain field; where it is missing, the call fails, since something else answers. What came later is a sql.Null,
// whose Valid says whether this PgBouncer has told it: zero and unknown are two things.
//
// Counters count from PgBouncer's start; averages are over its stats_period, a minute unless it is configured otherwise.
package pgbouncer
