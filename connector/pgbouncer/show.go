package pgbouncer

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// Console is the name of the database that is PgBouncer itself. SHOW POOLS, SHOW STATS and SHOW DATABASES list it too.
const Console = "pgbouncer"

// A Pool is a row of SHOW POOLS: the connections of one user to one database. Those of clients and those to servers add up
// to what there is; none counts twice.
type Pool struct {
	Database, User string
	// PoolMode is session, transaction or statement.
	PoolMode string
	// ClientsActive are linked to a server's connection, or have nothing to run; ClientsWaiting have sent something and wait
	// for one.
	ClientsActive, ClientsWaiting int64
	// ServersActive are linked to a client, ServersIdle are free, ServersUsed were free for longer than server_check_delay
	// and are checked before they serve again, ServersTested are being checked or reset, ServersLogin are logging in.
	ServersActive, ServersIdle, ServersUsed, ServersTested, ServersLogin int64
	// MaxWait is for how long the oldest of the waiting clients has waited.
	MaxWait time.Duration
	// CancelsActive are requests to cancel that were passed to the server and not answered yet, CancelsWaiting those that
	// were not passed on yet. Since 1.18; what 1.16 and 1.17 call cl_cancel_req are the waiting ones.
	CancelsActive, CancelsWaiting sql.Null[int64]
	// ServersCanceling are connections on which requests are passed on, ServersCanceled are kept from serving until such a
	// request has ended. Since 1.18.
	ServersCanceling, ServersCanceled sql.Null[int64]
}

// Servers returns how many connections to the server the pool has, those included on which requests to cancel are passed on.
func (p *Pool) Servers() int64 {
	return p.ServersActive + p.ServersIdle + p.ServersUsed + p.ServersTested + p.ServersLogin + p.ServersCanceling.V + p.ServersCanceled.V
}

// Pools returns PgBouncer's pools.
func (c *Client) Pools(ctx context.Context) ([]Pool, error) {
	t, err := c.show(ctx, "POOLS")
	if err != nil {
		return nil, err
	}
	return each("POOLS", t, func(r *row) Pool {
		return Pool{
			Database: r.text("database"), User: r.text("user"), PoolMode: r.text("pool_mode"),
			ClientsActive: r.int("cl_active"), ClientsWaiting: r.int("cl_waiting"),
			ServersActive: r.int("sv_active"), ServersIdle: r.int("sv_idle"), ServersUsed: r.int("sv_used"),
			ServersTested: r.int("sv_tested"), ServersLogin: r.int("sv_login"),
			MaxWait:       time.Duration(r.int("maxwait"))*time.Second + r.micros("maxwait_us"),
			CancelsActive: r.maybe("cl_active_cancel_req"), CancelsWaiting: r.either("cl_waiting_cancel_req", "cl_cancel_req"),
			ServersCanceling: r.maybe("sv_active_cancel"), ServersCanceled: r.maybe("sv_being_canceled"),
		}
	})
}

// Stats are a row of SHOW STATS: what went through one database. Counters count from PgBouncer's start, averages are over
// the last stats_period.
type Stats struct {
	Database string
	// Transactions and Queries are how many there were, AvgTransactions and AvgQueries how many a second.
	Transactions, Queries, AvgTransactions, AvgQueries int64
	// Received are the bytes that came from clients, Sent those that went to them; the averages are a second's.
	Received, Sent, AvgReceived, AvgSent int64
	// TransactionTime and QueryTime are how long PgBouncer was linked to a server in a transaction, and was running queries
	// there; the averages are of one.
	TransactionTime, QueryTime, AvgTransactionTime, AvgQueryTime time.Duration
	// WaitTime is for how long clients waited for a server's connection, AvgWaitTime the same in a second.
	WaitTime, AvgWaitTime time.Duration
	// ServerAssignments is how often a client was given a server's connection. Since 1.23.
	ServerAssignments sql.Null[int64]
	// ClientParses are statements that clients prepared, ServerParses those that PgBouncer had to prepare for them, Binds
	// those that were run, all by name. Since 1.24.
	ClientParses, ServerParses, Binds sql.Null[int64]
}

// Stats returns PgBouncer's statistics, by database.
func (c *Client) Stats(ctx context.Context) ([]Stats, error) {
	t, err := c.show(ctx, "STATS")
	if err != nil {
		return nil, err
	}
	return each("STATS", t, func(r *row) Stats {
		return Stats{
			Database:     r.text("database"),
			Transactions: r.int("total_xact_count"), Queries: r.int("total_query_count"),
			AvgTransactions: r.int("avg_xact_count"), AvgQueries: r.int("avg_query_count"),
			Received: r.int("total_received"), Sent: r.int("total_sent"), AvgReceived: r.int("avg_recv"), AvgSent: r.int("avg_sent"),
			TransactionTime: r.micros("total_xact_time"), QueryTime: r.micros("total_query_time"),
			AvgTransactionTime: r.micros("avg_xact_time"), AvgQueryTime: r.micros("avg_query_time"),
			WaitTime: r.micros("total_wait_time"), AvgWaitTime: r.micros("avg_wait_time"),
			ServerAssignments: r.maybe("total_server_assignment_count"),
			ClientParses:      r.maybe("total_client_parse_count"), ServerParses: r.maybe("total_server_parse_count"),
			Binds: r.maybe("total_bind_count"),
		}
	})
}

// Lists are what SHOW LISTS counts.
type Lists struct {
	// Databases, Users and Pools are how many PgBouncer knows.
	Databases, Users, Pools int64
	// UsedClients are connected, LoginClients of these are logging in, FreeClients is room that was used before.
	UsedClients, LoginClients, FreeClients int64
	// UsedServers are connections to servers, FreeServers is room that was used before.
	UsedServers, FreeServers int64
	// Peers and PeerPools are other processes of the same PgBouncer. Since 1.19.
	Peers, PeerPools sql.Null[int64]
}

// Lists returns how much there is of what PgBouncer keeps.
func (c *Client) Lists(ctx context.Context) (Lists, error) {
	t, err := c.show(ctx, "LISTS")
	if err != nil {
		return Lists{}, err
	}
	// It has a row for what elsewhere is a column.
	flat := &table{columns: make(map[string]int)}
	var values [][]byte
	names, err := each("LISTS", t, func(r *row) string { r.int("items"); return r.text("list") })
	if err != nil {
		return Lists{}, err
	}
	for i, name := range names {
		flat.columns[name] = i
		values = append(values, t.rows[i][t.columns["items"]])
	}
	flat.rows = [][][]byte{values}
	lists, err := each("LISTS", flat, func(r *row) Lists {
		return Lists{
			Databases: r.int("databases"), Users: r.int("users"), Pools: r.int("pools"),
			UsedClients: r.int("used_clients"), LoginClients: r.int("login_clients"), FreeClients: r.int("free_clients"),
			UsedServers: r.int("used_servers"), FreeServers: r.int("free_servers"),
			Peers: r.maybe("peers"), PeerPools: r.maybe("peer_pools"),
		}
	})
	if err != nil {
		return Lists{}, err
	}
	return lists[0], nil
}

// A Database is a row of SHOW DATABASES.
type Database struct {
	// Name is what clients call it, Database what the server does.
	Name, Database string
	// Host is "" for a Unix socket.
	Host string
	Port int64
	// PoolMode is the database's own, "" if it has PgBouncer's.
	PoolMode string
	// PoolSize is how many connections to the server a pool may have, ReservePool how many more when clients have waited for
	// too long; MaxConnections is for all pools of the database together, 0 for no limit.
	PoolSize, MaxConnections int64
	ReservePool              sql.Null[int64]
	// CurrentConnections is how many there are now.
	CurrentConnections int64
	// Paused and Disabled are by an administrator's PAUSE and DISABLE.
	Paused, Disabled bool
	// ServerLifetime is how old a connection to the server may become. Since 1.24.
	ServerLifetime sql.Null[time.Duration]
	// MaxClientConnections, 0 for no limit, and CurrentClientConnections are about clients. Since 1.24.
	MaxClientConnections, CurrentClientConnections sql.Null[int64]
}

// Databases returns the databases that PgBouncer knows.
func (c *Client) Databases(ctx context.Context) ([]Database, error) {
	t, err := c.show(ctx, "DATABASES")
	if err != nil {
		return nil, err
	}
	return each("DATABASES", t, func(r *row) Database {
		d := Database{
			Name: r.text("name"), Database: r.text("database"), Host: r.text("host"), Port: r.int("port"), PoolMode: r.text("pool_mode"),
			PoolSize: r.int("pool_size"), MaxConnections: r.int("max_connections"), CurrentConnections: r.int("current_connections"),
			ReservePool: r.either("reserve_pool", "reserve_pool_size"),
			Paused:      r.int("paused") != 0, Disabled: r.int("disabled") != 0,
			MaxClientConnections: r.maybe("max_client_connections"), CurrentClientConnections: r.maybe("current_client_connections"),
		}
		if n := r.maybe("server_lifetime"); n.Valid {
			d.ServerLifetime = sql.Null[time.Duration]{V: time.Duration(n.V) * time.Second, Valid: true}
		}
		return d
	})
}

// A User is a row of SHOW USERS.
type User struct {
	Name string
	// PoolMode is the user's own, which goes before that of the database; "" if there is none.
	PoolMode string
}

// Users returns the users that PgBouncer knows. Those that its auth_query finds it knows when they have come.
func (c *Client) Users(ctx context.Context) ([]User, error) {
	t, err := c.show(ctx, "USERS")
	if err != nil {
		return nil, err
	}
	return each("USERS", t, func(r *row) User { return User{Name: r.text("name"), PoolMode: r.text("pool_mode")} })
}

// Settings are SHOW CONFIG: PgBouncer's settings by their names, in its own words.
type Settings map[string]string

// Settings returns PgBouncer's settings.
func (c *Client) Settings(ctx context.Context) (Settings, error) {
	t, err := c.show(ctx, "CONFIG")
	if err != nil {
		return nil, err
	}
	all := make(Settings, len(t.rows))
	_, err = each("CONFIG", t, func(r *row) struct{} {
		all[r.text("key")] = r.text("value")
		return struct{}{}
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// A Version is what SHOW VERSION says. It is zero if that is in no form that is known.
type Version struct{ Major, Minor, Patch int }

// AtLeast reports whether v is major.minor or later.
func (v Version) AtLeast(major, minor int) bool {
	return v.Major > major || v.Major == major && v.Minor >= minor
}

// String returns it as 1.18.0.
func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

// Version returns PgBouncer's version.
func (c *Client) Version(ctx context.Context) (Version, error) {
	t, err := c.show(ctx, "VERSION")
	if err != nil {
		return Version{}, err
	}
	texts, err := each("VERSION", t, func(r *row) string { return r.text("version") })
	if err != nil || len(texts) == 0 {
		return Version{}, err
	}
	return parseVersion(texts[0]), nil
}

func parseVersion(text string) (v Version) {
	_, number, found := strings.Cut(text, " ")
	if !found {
		number = text
	}
	if n, _ := fmt.Sscanf(number, "%d.%d.%d", &v.Major, &v.Minor, &v.Patch); n < 2 {
		return Version{}
	}
	return v
}
