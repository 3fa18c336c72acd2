package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/poolsql/poolsql/examples/internal/program"
	"github.com/poolsql/poolsql/examples/internal/programtest"
	"github.com/poolsql/poolsql/internal/testdb"
)

// gate makes a function that at most k callers can be inside of at once, for 40 ms each, whoever else waits: callers take
// numbers, and each waits for the lock that its number names. So throughput is n/40ms up to k connections, and k/40ms from
// there on, by construction and whatever the machine is: 40 ms are long beside what a busy one adds to a call.
func gate(t *testing.T, conn *pgx.Conn, k int) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), fmt.Sprintf(`
		create sequence turn;
		create function pass_gate(out passed bool) language plpgsql as $$
		begin
			perform pg_advisory_xact_lock(1000 + nextval('turn') %% %d);
			perform pg_sleep(0.040);
			passed := true;
		end $$`, k)); err != nil {
		t.Fatal(err)
	}
}

var kneeSaid = regexp.MustCompile(`(?m)^The knee is at ([0-9]+) connection`)

// The program may say that it cannot tell, where others use the machine; but what it says it knows has to be so.
func TestTheKneeOfAQueryThatTheServerLimitsIsFound(t *testing.T) {
	testdb.NoLeaks(t)
	db := testdb.New(t)
	conn := programtest.Connect(t, db.DSN)
	gate(t, conn, 4)
	picture := filepath.Join(t.TempDir(), "tune.svg")

	var said []string
	var stdout, stderr *programtest.Page
	for tries := 0; said == nil && tries < 3; tries++ {
		stdout, stderr = new(programtest.Page), new(programtest.Page)
		status := run(t.Context(), []string{"-dsn", db.DSN, "-write", "-query", "select pass_gate()", "-sizes", "1,2,3,4,6,8,12",
			"-duration", "300ms", "-passes", "3", "-instances", "2", "-cores", "8", "-p99", "5s", "-svg", picture}, stdout, stderr)
		if status != program.OK {
			t.Fatalf("status %d\n%s\n%s", status, stdout, stderr)
		}
		t.Log("\n" + stdout.String())
		said = kneeSaid.FindStringSubmatch(stdout.String())
	}
	if said == nil {
		t.Fatal("no knee in three runs")
	}
	knee, _ := strconv.Atoi(said[1])
	if knee < 3 || knee > 6 { // the neighbors of 4 on the ladder
		t.Errorf("the knee is said to be at %d, and is at 4", knee)
	}
	out := strings.ReplaceAll(stdout.String(), "\n", " ")
	// Each of two instances gets half, rounded down since p99 is bounded.
	each := strconv.Itoa(knee / 2)
	for _, want := range []string{
		"calls per second, by connections", "▲ knee", "presets.OptimalSize says 16: 8 cores x 2", "within the 5s",
		"divided among 2 instances: " + each + " each", "MaxConns: " + each + ",", "POOL_MAX_CONNECTIONS=" + each,
		"parameters for a DSN, poolsql's or pgxpool's:", "pool_min_conns=1&pool_max_conns=" + each, "wait for each other's locks", picture,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	if !strings.Contains(stderr.String(), "YOUR STATEMENT RUNS") {
		t.Errorf("nobody was told that the statement runs often:\n%s", stderr)
	}
	requireNarrowAndSecretless(t, db.DSN, stdout.String()+stderr.String())
	requirePicture(t, picture)
	programtest.RequireNothingLeft(t, conn, "tune")
}

// requireNarrowAndSecretless checks that text fits on a terminal and has no password in it.
func requireNarrowAndSecretless(t *testing.T, dsn, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 && !strings.Contains(line, "tune.svg") && !strings.HasPrefix(line, "using database") {
			t.Errorf("a line of %d columns: %q", n, line)
		}
		if strings.ContainsAny(line, "\r\x1b") {
			t.Errorf("a line that only a terminal can show: %q", line)
		}
	}
	if cfg, err := pgx.ParseConfig(dsn); err != nil || cfg.Password != "" && strings.Contains(text, cfg.Password) {
		t.Errorf("the password is shown (%v)", err)
	}
}

// requirePicture checks that the file is well-formed, complete in itself, and small.
func requirePicture(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	decoder := xml.NewDecoder(bytes.NewReader(text))
	for {
		if _, err := decoder.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("the picture is no XML: %v\n%s", err, text)
		}
	}
	for _, want := range []string{"calls per second", "milliseconds", "connections", "prefers-color-scheme: dark", ">knee: "} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the picture lacks %q", want)
		}
	}
	for _, never := range []string{"href", "url(", "NaN", "Inf", "ZgotmplZ", "<script", "pass_gate"} {
		if bytes.Contains(text, []byte(never)) {
			t.Errorf("the picture has %q in it:\n%s", never, text)
		}
	}
	if len(text) > 20_000 {
		t.Errorf("the picture has %d bytes", len(text))
	}
}

func small(more ...string) []string {
	return append([]string{"-sizes", "1,2,4", "-duration", "60ms", "-passes", "2", "-svg", ""}, more...)
}

func TestOurOwnLoadsRunInASchemaThatIsGoneAfterwards(t *testing.T) {
	testdb.NoLeaks(t)
	db := testdb.New(t)
	conn := programtest.Connect(t, db.DSN)
	for _, load := range []string{loadTPCB, loadSelect} {
		var stdout, stderr programtest.Page
		if status := run(t.Context(), small("-dsn", db.DSN, "-load", load), &stdout, &stderr); status != program.OK {
			t.Fatalf("%s: status %d\n%s\n%s", load, status, &stdout, &stderr)
		}
		if !strings.Contains(stdout.String(), "poolsql.Config{") {
			t.Errorf("%s: no configuration:\n%s", load, &stdout)
		}
		requireNarrowAndSecretless(t, db.DSN, stdout.String()+stderr.String())
		programtest.RequireNothingLeft(t, conn, "tune")
	}
}

func TestARunThatIsInterruptedLeavesNothingBehind(t *testing.T) {
	testdb.NoLeaks(t)
	db := testdb.New(t)
	conn := programtest.Connect(t, db.DSN)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var stdout, stderr programtest.Page
	status := make(chan int, 1)
	go func() {
		status <- run(ctx, []string{"-dsn", db.DSN, "-sizes", "1,2,4", "-duration", "30s", "-svg", ""}, &stdout, &stderr)
	}()
	for done := false; !done; {
		err := conn.QueryRow(t.Context(), `select exists (select from pg_stat_activity
			where application_name like 'poolsql\_tune\_%load' and query like '%.history%')`).Scan(&done)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case early := <-status:
			t.Fatalf("it ended by itself, with %d:\n%s", early, &stderr)
		default:
		}
	}
	interrupt()
	if got := <-status; got != program.Interrupted || !strings.Contains(stderr.String(), "nothing is left behind") {
		t.Errorf("status %d\n%s", got, &stderr)
	}
	programtest.RequireNothingLeft(t, conn, "tune")
}

func TestAStatementThatFailsEndsTheRunAndSaysWhy(t *testing.T) {
	testdb.NoLeaks(t)
	db := testdb.New(t)
	conn := programtest.Connect(t, db.DSN)
	if _, err := conn.Exec(t.Context(), "create table t (a int); insert into t values (1); create sequence s"); err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(db.DSN, "postgres://", "postgres://hidden:secretword@[", 1)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-dsn", db.DSN, "-query", "insert into t values (2)"}, "may not without -write"},
		{[]string{"-dsn", db.DSN, "-query", "select nextval('s')"}, "may not without -write"},
		{[]string{"-dsn", db.DSN, "-query", "select * from nowhere"}, "nowhere"},
		{[]string{"-dsn", db.DSN, "-query", "select 1; drop table t"}, "42601"},
		{[]string{"-dsn", db.DSN, "-query", "select $1::int", "-args", "int:1-2,int:1-2"}, "your statement failed"},
		{[]string{"-dsn", db.DSN, "-query", "select 1 / (a - $1::int) from t", "-args", "int:1-200"}, "division by zero"},
		{[]string{"-dsn", broken, "-query", "select 1"}, "-dsn: poolsql: bad configuration: DSN does not parse"},
		{[]string{"-dsn", programtest.WithParameters(db.DSN, "pool_max_connections=7"), "-query", "select 1"}, "did you mean pool_max_conns?"},
		{[]string{"-dsn", programtest.WithParameters(db.DSN, "pool_statement_timeout=20ms"), "-query", "select pg_sleep(30)"}, "57014"},
	} {
		var stdout, stderr programtest.Page
		if status := run(t.Context(), small(c.args...), &stdout, &stderr); status != program.Failed || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%q: status %d, want %d and %q\n%s%s", c.args[3], status, program.Failed, c.want, &stdout, &stderr)
		}
		if strings.Contains(stderr.String(), "secretword") {
			t.Errorf("the password is shown:\n%s", &stderr)
		}
		requireNarrowAndSecretless(t, db.DSN, stdout.String())
	}
	var rows int
	if err := conn.QueryRow(t.Context(), "select count(*) from t").Scan(&rows); err != nil || rows != 1 {
		t.Errorf("%d rows, %v", rows, err)
	}
}

// With any of these in force, most callers of a pool of one connection would be turned away.
func TestTheLadderHasItsWayWhateverTheDSNSaysOfSizeAndWaiting(t *testing.T) {
	testdb.NoLeaks(t)
	dsn := programtest.WithParameters(testdb.New(t).DSN,
		"pool_max_conns=7&pool_min_conns=7&pool_high_reserve=6&pool_max_waiting=1&pool_acquire_timeout=1ms")
	var stdout, stderr programtest.Page
	args := small("-dsn", dsn, "-query", "select $1::int + $2::int", "-args", "int:1-9,int:1-9")
	if status := run(t.Context(), args, &stdout, &stderr); status != program.OK {
		t.Errorf("status %d\n%s\n%s", status, &stdout, &stderr)
	}
}

func TestTheServerIsAskedForItsLimits(t *testing.T) {
	testdb.NoLeaks(t)
	db := testdb.New(t)
	conn := programtest.Connect(t, db.DSN)
	before, err := askServer(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	programtest.Connect(t, db.DSN)
	if _, err := conn.Exec(t.Context(), "do $$ begin execute format('alter database %I connection limit 17', current_database()); end $$"); err != nil {
		t.Fatal(err)
	}
	after, err := askServer(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	if after.databaseInUse != before.databaseInUse+1 || after.databaseLimit != 17 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	// 17, less the other connection and the one that asks.
	if after.room() != 17-after.databaseInUse-1 {
		t.Errorf("room for %d: %+v", after.room(), after)
	}
	if after.maxConnections < 20 || after.reserved < 3 || after.version == "" {
		t.Errorf("%+v", after)
	}
}
