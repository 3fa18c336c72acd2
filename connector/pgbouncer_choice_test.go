package connector_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/poolsql/poolsql/connector"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
)

func TestValidateRefusesWhatCannotWorkBehindPgBouncer(t *testing.T) {
	describe, err := pgx.ParseConfig(goodDSN)
	if err != nil {
		t.Fatal(err)
	}
	describe.DefaultQueryExecMode = pgx.QueryExecModeDescribeExec
	for want, cfg := range map[string]connector.Config{
		"ResetQuery":                 {ResetQuery: "discard all"},
		"Prewarm":                    {Prewarm: []string{"select 1"}},
		"QueryExecModeDescribeExec":  {ConnConfig: describe},
		"the parameter search_path":  {DSN: "host=localhost search_path=shop"},
		"the parameter options":      {DSN: "host=localhost options='-c work_mem=1MB'"},
		"parameter statement_timeou": {DSN: "host=localhost statement_timeout='a while'"},
	} {
		if cfg.DSN == "" && cfg.ConnConfig == nil {
			cfg.DSN = goodDSN
		}
		cfg.PgBouncer = connector.PoolTransaction
		var wrong *connector.PoolModeError
		err := cfg.Validate()
		if !errors.As(err, &wrong) || !strings.Contains(wrong.Setting, want) || wrong.Mode != connector.PoolTransaction ||
			!errors.Is(err, pooldriver.ErrNeedsSession) {
			t.Errorf("%s: %v", want, err)
		}
		cfg.PgBouncer = connector.PoolSession
		if err := cfg.Validate(); (err != nil) != (want == "the parameter options") {
			t.Errorf("%s in session mode: %v", want, err)
		}
		cfg.PgBouncer = connector.NoPgBouncer
		if err := cfg.Validate(); err != nil {
			t.Errorf("%s without PgBouncer: %v", want, err)
		}
	}
	for want, cfg := range map[string]connector.Config{
		"without PgBouncer":              {DSN: goodDSN, PgBouncerPrepared: true},
		"PgBouncer is 9":                 {DSN: goodDSN, PgBouncer: 9},
		"PgBouncerConsole does not pars": {DSN: goodDSN, PgBouncer: connector.PoolSession, PgBouncerConsole: "postgres://u:SECRET@[::/x"},
		"beside Connector":               {Connector: &nilConnector{}, PgBouncer: connector.PoolSession},
	} {
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", want, err)
		}
	}
	fine := connector.Config{
		DSN:       "host=localhost application_name=a timezone=UTC statement_timeout=5s search_path=shop default_query_exec_mode=cache_describe",
		PgBouncer: connector.PoolTransaction, PgBouncerParams: []string{"Search_Path"},
	}
	if err := fine.Validate(); err != nil {
		t.Error(err)
	}
}

func TestPoolModesHaveATextForm(t *testing.T) {
	for _, mode := range []connector.PoolMode{
		connector.NoPgBouncer, connector.PoolSession, connector.PoolTransaction, connector.PoolStatement,
	} {
		text, err := mode.MarshalText()
		var back connector.PoolMode = 9
		if err != nil || back.UnmarshalText(text) != nil || back != mode {
			t.Errorf("%s becomes %q and %s, %v", mode, text, back, err)
		}
	}
	if err := new(connector.PoolMode).UnmarshalText([]byte("swimming")); err == nil || strings.Contains(err.Error(), "swimming") {
		t.Error(err)
	}
}

func TestWithTheConsoleOfAnOldPgBouncerStatementsAreNotPrepared(t *testing.T) {
	t.Parallel()
	b := bounce(t, connector.Config{PgBouncer: connector.PoolTransaction, PgBouncerConsole: "console", MaxConns: 2})
	if info := b.c.PgBouncer(); info.Mode != connector.PoolTransaction || info.ExecMode != pgx.QueryExecModeExec {
		t.Errorf("before the first connection: %+v", info)
	}
	if got := b.ask(b.DB, "select $1::int", 5); got != "5" {
		t.Error(got)
	}
	info := b.c.PgBouncer()
	if !info.Version.AtLeast(1, 8) || info.ActualMode != connector.PoolTransaction || info.Err != nil {
		t.Errorf("%+v", info)
	}
	if info.MaxPreparedStatements == 0 && (info.ExecMode != pgx.QueryExecModeExec || !strings.Contains(info.Why, info.Version.String())) {
		t.Errorf("%+v", info)
	}
	told := b.learned.of(lifecycle.KindPooler)
	if len(told) != 1 || told[0].Code != info.ExecMode.String() || told[0].Err != nil {
		t.Errorf("the observer was told %+v", told)
	}
}

func TestConnectionsAreRefusedWherePgBouncerLendsSessionsForShorterThanTheConfigurationSays(t *testing.T) {
	t.Parallel()
	b := bounce(t, connector.Config{PgBouncer: connector.PoolTransaction, PgBouncerConsole: "console"})
	testDB := &testdb.DB{Name: b.name, DSN: b.directDSN()}
	wrong := bounceOn(t, connector.Config{PgBouncer: connector.PoolSession, PgBouncerConsole: "console"}, testDB, b.pooler)
	err := wrong.PingContext(b.ctx)
	if err == nil || !strings.Contains(err.Error(), "is transaction, and Config.PgBouncer says session") {
		t.Error(err)
	}
	if info := wrong.c.PgBouncer(); info.Err == nil || info.ActualMode != connector.PoolTransaction {
		t.Errorf("%+v", info)
	}
	if told := wrong.learned.of(lifecycle.KindPooler); len(told) != 1 || told[0].Err == nil {
		t.Errorf("the observer was told %+v", told)
	}
	// Shorter than it need be is no harm.
	careful := bounceOn(t, connector.Config{PgBouncer: connector.PoolStatement, PgBouncerConsole: "console"}, testDB, b.pooler)
	if err := careful.PingContext(b.ctx); err != nil {
		t.Error(err)
	}
}

func TestAPgBouncerThatNobodyNamedIsRecognized(t *testing.T) {
	t.Parallel()
	b := bounce(t, connector.Config{MaxConns: 6})
	// What PgBouncer calls a process is drawn at random: one in a thousand looks like one.
	if err := b.c.Warmup(b.ctx, 6); err != nil {
		t.Fatal(err)
	}
	info, told := b.c.PgBouncer(), b.learned.of(lifecycle.KindPooler)
	if !info.Recognized || !errors.Is(info.Err, connector.ErrPoolerUnknown) || info.Mode != connector.NoPgBouncer {
		t.Errorf("%+v", info)
	}
	if len(told) != 1 || told[0].Err == nil {
		t.Errorf("the observer was told %+v", told)
	}
	b.must(b.direct.ExecContext(b.ctx, "select 1"))
	direct, _ := connector.FromDB(b.direct)
	if info := direct.PgBouncer(); info != (connector.PgBouncerInfo{}) {
		t.Errorf("a server was taken for a PgBouncer: %+v", info)
	}
}

// console answers as PgBouncer's does, of a version that keeps prepared statements, until the test ends.
func console(t *testing.T, version, maxPrepared string) (dsn string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
			serving.Go(func() { defer conn.Close(); talk(conn, version, maxPrepared) })
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return "postgres://stats:SECRET@" + l.Addr().String() + "/?sslmode=disable"
}

func talk(conn net.Conn, version, maxPrepared string) {
	b := pgproto3.NewBackend(conn, conn)
	if _, err := b.ReceiveStartupMessage(); err != nil {
		return
	}
	b.Send(&pgproto3.AuthenticationOk{})
	tables := map[string][][]string{
		"SHOW VERSION":   {{"version"}, {"PgBouncer " + version}},
		"SHOW CONFIG":    {{"key", "value"}, {"pool_mode", "transaction"}, {"max_prepared_statements", maxPrepared}},
		"SHOW DATABASES": {{"name"}},
		"SHOW USERS":     {{"name"}},
	}
	for {
		b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		if b.Flush() != nil {
			return
		}
		m, err := b.Receive()
		q, ok := m.(*pgproto3.Query)
		if err != nil || !ok {
			return
		}
		table := tables[q.String]
		var d pgproto3.RowDescription
		for _, name := range table[0] {
			d.Fields = append(d.Fields, pgproto3.FieldDescription{Name: []byte(name), DataTypeOID: 25})
		}
		b.Send(&d)
		for _, row := range table[1:] {
			var r pgproto3.DataRow
			for _, v := range row {
				r.Values = append(r.Values, []byte(v))
			}
			b.Send(&r)
		}
		b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SHOW")})
	}
}

// Where PgBouncer keeps prepared statements, it is to its clients, as to those, a server like any other: here it is one.
func TestWithTheConsoleOfALaterPgBouncerStatementsArePrepared(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	server := testdb.New(t)
	for _, c := range []struct {
		name    string
		cfg     connector.Config
		console [2]string // version and max_prepared_statements
		want    pgx.QueryExecMode
		why     string
	}{
		{"1.21 with room", connector.Config{}, [2]string{"1.21.0", "100"}, pgx.QueryExecModeCacheStatement, "keeps up to 100"},
		{"1.25 with room", connector.Config{}, [2]string{"1.25.0", "200"}, pgx.QueryExecModeCacheStatement, "keeps up to 200"},
		{"1.21 without", connector.Config{}, [2]string{"1.21.0", "0"}, pgx.QueryExecModeExec, "max_prepared_statements is 0"},
		{"vouched for", connector.Config{PgBouncerPrepared: true}, [2]string{}, pgx.QueryExecModeCacheStatement, "PgBouncerPrepared"},
		{"nothing known", connector.Config{}, [2]string{}, pgx.QueryExecModeExec, "neither its console"},
		{"nobody answers", connector.Config{PgBouncerConsole: "postgres://stats:SECRET@127.0.0.1:1/"}, [2]string{},
			pgx.QueryExecModeExec, "neither its console"},
		{"chosen", connector.Config{PgBouncerPrepared: true, DSN: "&default_query_exec_mode=simple_protocol"}, [2]string{},
			pgx.QueryExecModeSimpleProtocol, "configuration chooses"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := c.cfg
			cfg.PgBouncer, cfg.DSN, cfg.MaxConns = connector.PoolTransaction, server.DSN+cfg.DSN, 1
			if c.console[0] != "" {
				cfg.PgBouncerConsole = console(t, c.console[0], c.console[1])
			}
			db, err := connector.Open(cfg)
			if err != nil {
				t.Fatal(err)
			}
			pool, _ := connector.FromDB(db)
			defer func() { db.Close(); <-pool.Done() }()
			if _, err := db.ExecContext(t.Context(), "select $1::int", 1); err != nil {
				t.Fatal(err)
			}
			info := pool.PgBouncer()
			if info.ExecMode != c.want || !strings.Contains(info.Why, c.why) || strings.Contains(info.Why, "SECRET") {
				t.Errorf("%+v", info)
			}
			if (info.Err != nil) != (c.name == "nobody answers") || info.Err != nil && strings.Contains(info.Err.Error(), "SECRET") {
				t.Errorf("the console: %v", info.Err)
			}
			if prepared := pool.Connections()[0].Prepared; (prepared == 1) != (c.want == pgx.QueryExecModeCacheStatement) {
				t.Errorf("%d statements were prepared by name", prepared)
			}
		})
	}
}

func TestAPlanThatPgBouncerKeepsAndTheServerRefusesIsAvoided(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	server := testdb.New(t)
	db, err := connector.Open(connector.Config{
		DSN: server.DSN, PgBouncer: connector.PoolTransaction, PgBouncerPrepared: true, MaxConns: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	pool, _ := connector.FromDB(db)
	defer func() { db.Close(); <-pool.Done() }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	exec := func(query string) {
		t.Helper()
		if _, err := db.ExecContext(ctx, query); err != nil {
			t.Fatal(err)
		}
	}
	columns := func() int {
		t.Helper()
		rows, err := db.QueryContext(ctx, "select * from t where n > $1", 0)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		names, _ := rows.Columns()
		for rows.Next() { // there is none
			t.Error("a row in an empty table")
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	exec("create table t (n int)")
	for i := range 3 {
		for range 2 {
			if got := columns(); got != i+1 {
				t.Errorf("%d columns, want %d", got, i+1)
			}
		}
		wantPrepared := 1
		if i > 0 { // PgBouncer would run the old plan again, whatever is prepared anew
			wantPrepared = 0
		}
		if got := pool.Connections()[0].Prepared; got != wantPrepared {
			t.Errorf("%d statements are prepared by name, want %d", got, wantPrepared)
		}
		exec("alter table t add column c" + string(rune('a'+i)) + " int")
	}
}

func TestNoConnectionIsOpenedBeforeTheConsoleHasBeenAskedOnce(t *testing.T) {
	t.Parallel()
	b := bounce(t, connector.Config{PgBouncer: connector.PoolTransaction})
	wrong := bounceOn(t, connector.Config{PgBouncer: connector.PoolSession, PgBouncerConsole: "console", MaxConns: 8, MaxDials: 8},
		&testdb.DB{Name: b.name, DSN: b.directDSN()}, b.pooler)
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			if err := wrong.PingContext(b.ctx); err == nil {
				t.Error("a connection was opened that must not be")
			}
		})
	}
	calls.Wait()
	if n := wrong.c.Stats().NewConnsCount; n != 0 {
		t.Errorf("%d connections were opened", n)
	}
}
