package pgbouncer_test

import (
	"database/sql"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/poolsql/poolsql/connector/pgbouncer"
	"github.com/poolsql/poolsql/internal/testdb"
)

// A fake answers as the console of a PgBouncer does that is not installed here: each SHOW with a table, the names of its
// columns first.
type fake struct {
	answers map[string][][]string
	once    bool // the first connection is closed after one answer
	conns   int
	mu      sync.Mutex
}

// serve returns a DSN of f.
func (f *fake) serve(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { defer conn.Close(); f.talk(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return "postgres://stats@" + l.Addr().String() + "/pgbouncer?sslmode=disable"
}

func (f *fake) talk(conn net.Conn) {
	b := pgproto3.NewBackend(conn, conn)
	m, err := b.ReceiveStartupMessage()
	start, ok := m.(*pgproto3.StartupMessage)
	if err != nil || !ok || start.Parameters["database"] != "pgbouncer" {
		return // a request to cancel, say
	}
	f.mu.Lock()
	f.conns++
	short := f.once && f.conns == 1
	f.mu.Unlock()
	b.Send(&pgproto3.AuthenticationOk{})
	b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	for b.Flush() == nil {
		m, err := b.Receive()
		if err != nil {
			return
		}
		q, ok := m.(*pgproto3.Query)
		if !ok { // the console knows no other
			b.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "08P01", Message: "extended query protocol not supported by admin console"})
			_ = b.Flush()
			return
		}
		f.answer(b, strings.TrimPrefix(q.String, "SHOW "))
		if short {
			_ = b.Flush()
			return
		}
	}
}

func (f *fake) answer(b *pgproto3.Backend, what string) {
	table := f.answers[what]
	if table == nil {
		b.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: "08P01", Message: "invalid command"})
		b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		return
	}
	var d pgproto3.RowDescription
	for _, name := range table[0] {
		d.Fields = append(d.Fields, pgproto3.FieldDescription{Name: []byte(name), DataTypeOID: 25})
	}
	b.Send(&d)
	for _, row := range table[1:] {
		var r pgproto3.DataRow
		for _, v := range row {
			if v == "NULL" {
				r.Values = append(r.Values, nil)
			} else {
				r.Values = append(r.Values, []byte(v))
			}
		}
		b.Send(&r)
	}
	b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SHOW")})
	b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
}

// table returns columns in the order given, with these values; the others are 7.
func table(columns string, rows ...map[string]string) [][]string {
	names := strings.Fields(columns)
	all := [][]string{names}
	for _, row := range rows {
		var values []string
		for _, name := range names {
			v, ok := row[name]
			if !ok {
				v = "7"
			}
			values = append(values, v)
		}
		all = append(all, values)
	}
	return all
}

// The columns of each version, as its documentation lists them.
const (
	pools116 = "database user cl_active cl_waiting cl_cancel_req sv_active sv_idle sv_used sv_tested sv_login maxwait maxwait_us pool_mode"
	pools118 = "database user cl_active cl_waiting cl_active_cancel_req cl_waiting_cancel_req sv_active sv_active_cancel " +
		"sv_being_canceled sv_idle sv_used sv_tested sv_login maxwait maxwait_us pool_mode"
	pools124 = pools118 + " load_balance_hosts"

	stats121 = "database total_xact_count total_query_count total_received total_sent total_xact_time total_query_time total_wait_time " +
		"avg_xact_count avg_query_count avg_recv avg_sent avg_xact_time avg_query_time avg_wait_time"
	stats123 = "database total_server_assignment_count total_xact_count total_query_count total_received total_sent total_xact_time " +
		"total_query_time total_wait_time avg_server_assignment_count avg_xact_count avg_query_count avg_recv avg_sent avg_xact_time " +
		"avg_query_time avg_wait_time"
	stats124 = stats123 + " total_client_parse_count total_server_parse_count total_bind_count avg_client_parse_count " +
		"avg_server_parse_count avg_bind_count"

	databases121 = "name host port database force_user pool_size min_pool_size reserve_pool pool_mode max_connections " +
		"current_connections paused disabled"
	databases124 = "name host port database force_user pool_size min_pool_size reserve_pool_size server_lifetime pool_mode " +
		"load_balance_hosts max_connections current_connections max_client_connections current_client_connections paused disabled"

	configOf = "key value default changeable"
)

func lists(names ...string) [][]string {
	all := [][]string{{"list", "items"}}
	for _, name := range names {
		all = append(all, []string{name, "7"})
	}
	return all
}

var lists116 = []string{
	"databases", "users", "pools", "free_clients", "used_clients", "login_clients", "free_servers", "used_servers", "dns_names",
	"dns_zones", "dns_queries", "dns_pending",
}

func TestWhatLaterVersionsAddIsReadAndWhatEarlierOnesLackIsNotZero(t *testing.T) {
	shop := map[string]string{
		"database": "shop", "user": "app", "pool_mode": "transaction", "load_balance_hosts": "round-robin", "name": "shop", "host": "db",
		"force_user": "NULL", "paused": "0", "disabled": "1", "maxwait": "3", "maxwait_us": "250000",
	}
	perhaps := func(valid bool) sql.Null[int64] {
		if !valid {
			return sql.Null[int64]{}
		}
		return sql.Null[int64]{V: 7, Valid: true}
	}
	for text, f := range map[string]*fake{
		"1.16.1": {answers: map[string][][]string{
			"POOLS": table(pools116, shop), "STATS": table(stats121, shop), "LISTS": lists(lists116...), "DATABASES": table(databases121, shop),
		}},
		"1.21.0": {answers: map[string][][]string{
			"POOLS": table(pools118, shop), "STATS": table(stats121, shop), "LISTS": lists(append([]string{"peers", "peer_pools"}, lists116...)...),
			"DATABASES": table(databases121, shop),
		}},
		"1.23.1": {answers: map[string][][]string{
			"POOLS": table(pools118, shop), "STATS": table(stats123, shop), "LISTS": lists(append([]string{"peers", "peer_pools"}, lists116...)...),
			"DATABASES": table(databases121, shop),
		}},
		"1.25.0": {answers: map[string][][]string{
			"POOLS": table("invented "+pools124, shop), "STATS": table("invented "+stats124, shop),
			"LISTS":     lists(append([]string{"peers", "peer_pools", "invented"}, lists116...)...),
			"DATABASES": table("invented "+databases124, shop),
		}},
	} {
		t.Run(text, func(t *testing.T) {
			testdb.NoLeaks(t)
			f.answers["VERSION"] = [][]string{{"version"}, {"PgBouncer " + text}}
			prepared := [][]string{strings.Fields(configOf), {"pool_mode", "transaction", "session", "yes"}}
			if text >= "1.21" {
				prepared = append(prepared, []string{"max_prepared_statements", "200", "0", "yes"})
			}
			f.answers["CONFIG"] = prepared
			c, ctx := client(t, f.serve(t)), t.Context()
			v, err := c.Version(ctx)
			if err != nil || v.String() != text {
				t.Fatalf("%s, %v", v, err)
			}
			pools, err := c.Pools(ctx)
			p := find(t, pools, err, func(p pgbouncer.Pool) bool { return p.Database == "shop" && p.User == "app" })
			want := pgbouncer.Pool{
				Database: "shop", User: "app", PoolMode: "transaction", ClientsActive: 7, ClientsWaiting: 7, ServersActive: 7, ServersIdle: 7,
				ServersUsed: 7, ServersTested: 7, ServersLogin: 7, MaxWait: 3250 * time.Millisecond, CancelsWaiting: perhaps(true),
				CancelsActive: perhaps(v.AtLeast(1, 18)), ServersCanceling: perhaps(v.AtLeast(1, 18)), ServersCanceled: perhaps(v.AtLeast(1, 18)),
			}
			if p != want {
				t.Errorf("got  %+v\nwant %+v", p, want)
			}
			stats, err := c.Stats(ctx)
			s := find(t, stats, err, func(s pgbouncer.Stats) bool { return s.Database == "shop" })
			if s.Transactions != 7 || s.QueryTime != 7*time.Microsecond || s.ServerAssignments != perhaps(v.AtLeast(1, 23)) ||
				s.ClientParses != perhaps(v.AtLeast(1, 24)) || s.ServerParses != perhaps(v.AtLeast(1, 24)) || s.Binds != perhaps(v.AtLeast(1, 24)) {
				t.Errorf("%+v", s)
			}
			l, err := c.Lists(ctx)
			if err != nil || l.UsedServers != 7 || l.Peers != perhaps(v.AtLeast(1, 19)) || l.PeerPools != perhaps(v.AtLeast(1, 19)) {
				t.Errorf("%+v, %v", l, err)
			}
			databases, err := c.Databases(ctx)
			d := find(t, databases, err, func(d pgbouncer.Database) bool { return d.Name == "shop" && d.Host == "db" })
			if d.Paused || !d.Disabled || d.ReservePool != perhaps(true) || d.MaxClientConnections != perhaps(v.AtLeast(1, 24)) ||
				d.ServerLifetime != (sql.Null[time.Duration]{V: 7 * time.Second, Valid: true}) && v.AtLeast(1, 24) ||
				d.ServerLifetime.Valid != v.AtLeast(1, 24) {
				t.Errorf("%+v", d)
			}
			settings, err := c.Settings(ctx)
			if _, ok := settings["max_prepared_statements"]; err != nil || ok != v.AtLeast(1, 21) {
				t.Errorf("%v, %v", settings, err)
			}
		})
	}
}

func TestAnAnswerThatIsNoPgBouncersIsAnError(t *testing.T) {
	testdb.NoLeaks(t)
	f := &fake{answers: map[string][][]string{
		"POOLS": table("database user pool_mode"), "STATS": table("database total_xact_count", map[string]string{"total_xact_count": "many"}),
		"LISTS": {{"list", "items"}, {"databases", "7"}}, "VERSION": {{"version"}, {"something else"}},
	}}
	f.answers["POOLS"] = append(f.answers["POOLS"], []string{"shop", "app", "session"})
	c, ctx := client(t, f.serve(t)), t.Context()
	var missing *pgbouncer.MissingError
	if _, err := c.Pools(ctx); !errors.As(err, &missing) || missing.Column != "cl_active" {
		t.Error(err)
	}
	if _, err := c.Stats(ctx); err == nil || strings.Contains(err.Error(), "many") || !strings.Contains(err.Error(), "total_xact_count") {
		t.Error(err)
	}
	if _, err := c.Lists(ctx); !errors.As(err, &missing) || missing.Column != "users" {
		t.Error(err)
	}
	if v, err := c.Version(ctx); err != nil || v != (pgbouncer.Version{}) {
		t.Errorf("%s, %v", v, err)
	}
	if _, err := c.Settings(ctx); err == nil || !strings.Contains(err.Error(), "invalid command") {
		t.Error(err)
	}
}

func TestALostConnectionIsReplacedAndCallsWaitForEachOther(t *testing.T) {
	testdb.NoLeaks(t)
	f := &fake{once: true, answers: map[string][][]string{"VERSION": {{"version"}, {"PgBouncer 1.25.0"}}}}
	c, ctx := client(t, f.serve(t)), t.Context()
	var calls sync.WaitGroup
	for range 20 {
		calls.Go(func() {
			if v, err := c.Version(ctx); err != nil || !v.AtLeast(1, 25) {
				t.Errorf("%s, %v", v, err)
			}
		})
	}
	calls.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conns != 2 {
		t.Errorf("%d connections, want the first and the one in its place", f.conns)
	}
}
