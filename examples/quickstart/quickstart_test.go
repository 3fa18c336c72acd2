package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/poolsql/poolsql/examples/internal/program"
	"github.com/poolsql/poolsql/examples/internal/programtest"
	"github.com/poolsql/poolsql/internal/testdb"
)

// small is a load that is over in a second or two and still has more callers than connections.
func small(more ...string) []string {
	return append([]string{"-duration", "600ms", "-accounts", "2000", "-conns", "3", "-reports", "8", "-transfers", "6", "-lookups", "2"}, more...)
}

func TestAWholeRunShowsEveryClassAndProvesTheMoney(t *testing.T) {
	testdb.NoLeaks(t)
	db := testdb.New(t)
	dsn := programtest.WithParameters(db.DSN, "pool_max_conns=9") // which is not how many there are to be
	var stdout, stderr programtest.Page
	if status := run(t.Context(), small("-dsn", dsn), &stdout, &stderr); status != program.OK {
		t.Fatalf("status %d\n%s\n%s", status, &stdout, &stderr)
	}
	out := stdout.String()

	// Title, figure, and two numbers above 0 in every row of the table.
	perSecond := regexp.MustCompile(`(?m)^ +per second +([0-9.,]+) +([0-9.,]+) `).FindAllStringSubmatch(out, -1)
	if len(perSecond) != int(kinds) {
		t.Fatalf("%d rows of throughput, want %d:\n%s", len(perSecond), kinds, out)
	}
	for _, row := range perSecond {
		if row[1] == "0.0" || row[2] == "0.0" {
			t.Errorf("a side did nothing: %q", row[0])
		}
	}
	for _, want := range []string{
		"High: lookups", "Normal: transfers", "Low: reports", "database/sql", "poolsql",
		"ok every acknowledged transfer is in history exactly once",
		"README.md",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the report lacks %q:\n%s", want, out)
		}
	}
	for line := range strings.Lines(out + stderr.String()) {
		if len(line) > 101 || strings.ContainsAny(line, "\r\x1b") {
			t.Errorf("a line that only a wide or colored terminal can show: %q", line)
		}
	}
	if connections := regexp.MustCompile(`(?m)^Connections +opened +3 +3 `); !connections.MatchString(out) {
		t.Errorf("the server did not see 3 connections on both sides:\n%s", out)
	}
	programtest.RequireNothingLeft(t, programtest.Connect(t, db.DSN), "quickstart")
}

func TestARunNeedsNoDatabaseOfTheUsers(t *testing.T) {
	testdb.NoLeaks(t)
	var stdout, stderr programtest.Page
	if status := run(t.Context(), small(), &stdout, &stderr); status != program.OK {
		t.Fatalf("status %d\n%s\n%s", status, &stdout, &stderr)
	}
	if !strings.Contains(stderr.String(), "started PostgreSQL") {
		t.Errorf("it does not say which database it used:\n%s", &stderr)
	}
}

// Somebody else writes to an account while the load runs: the program must notice and say so by its status.
func TestARunFailsWhenMoneyAppearsFromNowhere(t *testing.T) {
	testdb.NoLeaks(t)
	db := testdb.New(t)
	thief := programtest.Connect(t, db.DSN)

	var stdout, stderr programtest.Page
	status := make(chan int, 1)
	go func() { status <- run(t.Context(), small("-dsn", db.DSN), &stdout, &stderr) }()
	schema := awaitTransfers(t, thief, status)
	if _, err := thief.Exec(t.Context(), "update "+schema+".accounts set balance = balance + 1 where id = 1"); err != nil {
		t.Error(err)
	}
	if got := <-status; got != program.Failed {
		t.Errorf("status %d, want %d", got, program.Failed)
	}
	for _, want := range []string{"WRONG after database/sql: all accounts hold 2,000,000.01", "account rows that disagree with history: 1", "a report saw"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the report lacks %q:\n%s\n%s", want, &stdout, &stderr)
		}
	}
	programtest.RequireNothingLeft(t, thief, "quickstart")
}

// awaitTransfers returns the schema of a running quickstart once money moves in it.
func awaitTransfers(t *testing.T, conn *pgx.Conn, status chan int) string {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		select {
		case s := <-status:
			t.Fatalf("quickstart ended with status %d before it moved money", s)
		case <-time.After(5 * time.Millisecond):
		}
		for _, schema := range programtest.Schemas(t, conn, "quickstart") {
			var moved bool
			// The schema is there a moment before its tables are.
			err := conn.QueryRow(t.Context(), "select exists (select from "+schema+".history)").Scan(&moved)
			if err == nil && moved {
				return schema
			}
		}
	}
	t.Fatal("no transfer in 20s")
	return ""
}

func TestAnInterruptedRunLeavesNothingBehind(t *testing.T) {
	testdb.NoLeaks(t)
	db := testdb.New(t)
	watcher := programtest.Connect(t, db.DSN)

	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var stdout, stderr programtest.Page
	status := make(chan int, 1)
	go func() { status <- run(ctx, small("-dsn", db.DSN, "-duration", "1m"), &stdout, &stderr) }()
	awaitTransfers(t, watcher, status)
	interrupt()
	if got := <-status; got != program.Interrupted {
		t.Errorf("status %d, want %d", got, program.Interrupted)
	}
	if !strings.Contains(stderr.String(), "nothing is left behind") || stdout.String() != "" {
		t.Errorf("stdout %q, stderr %q", &stdout, &stderr)
	}
	programtest.RequireNothingLeft(t, watcher, "quickstart")
}

// audited is a bank in which transfers went well.
func audited(t *testing.T) (*pgx.Conn, load) {
	t.Helper()
	db := testdb.New(t)
	conn := programtest.Connect(t, db.DSN)
	l := load{
		bank:     bank{schema: "bank", accounts: 500},
		callers:  [kinds]int{1, 4, 1},
		duration: 300 * time.Millisecond,
		receipts: &receipts{},
	}
	if err := openBank(t.Context(), conn, l.bank); err != nil {
		t.Fatal(err)
	}
	cfg := conn.Config()
	pool, err := openPlain(cfg, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var done tally
	if err := l.run(t.Context(), pool, &done); err != nil {
		t.Fatal(err)
	}
	books, err := audit(t.Context(), conn, l.bank, l.receipts)
	if err != nil {
		t.Fatal(err)
	}
	if len(books.wrong) > 0 || books.acknowledged < 2 || books.rows != books.acknowledged || done.of[transfers].count() != books.rows {
		t.Fatalf("the books are wrong before anybody touched them: %+v", books)
	}
	return conn, l
}

func TestTheAuditFindsWhatWasTamperedWith(t *testing.T) {
	testdb.NoLeaks(t)
	conn, l := audited(t)
	const oneRow = "ctid = (select min(ctid) from bank.history)"
	for _, c := range []struct{ story, text, want string }{
		{"a transfer is lost", "delete from bank.history where " + oneRow, "acknowledged, but not in history: 1"},
		{"a transfer is done twice", "insert into bank.history select * from bank.history where " + oneRow, "in history more than once: 1"},
		{"a transfer nobody was told of", "insert into bank.history values (-1, 1, 2, 1, 1, 5)", "never acknowledged: 1 (such as number -1)"},
		{"money is lost", "update bank.accounts set balance = balance - 1 where id = 1", "all accounts hold 499,999.99, but the bank opened with 500,000.00"},
		{"money is in the wrong account", "update bank.accounts set balance = balance + case id when 1 then 1 else -1 end where id in (1, 2)",
			"account rows that disagree with history: 2"},
		{"an account is gone", "delete from bank.accounts where id = 7", "account rows: 499 found, 500 expected"},
		{"a teller kept something", "update bank.tellers set turnover = turnover - 1 where id = 3", "teller rows that disagree with history: 1"},
		{"a branch kept something", "update bank.branches set turnover = turnover - 1 where id = 3", "branch rows that disagree with history: 1"},
	} {
		t.Run(c.story, func(t *testing.T) {
			tx, err := conn.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback(context.Background())
			if tag, err := tx.Exec(t.Context(), c.text); err != nil || tag.RowsAffected() == 0 {
				t.Fatalf("tampering changed %d rows: %v", tag.RowsAffected(), err)
			}
			books, err := audit(t.Context(), conn, l.bank, l.receipts)
			if err != nil {
				t.Fatal(err)
			}
			if wrong := strings.Join(books.wrong, "\n"); !strings.Contains(wrong, c.want) {
				t.Errorf("the audit says %q, want %q", wrong, c.want)
			}
		})
	}
}

// A commit that failed without a word from the database may have been done: either is right, twice is not.
func TestATransferInDoubtMayBeInHistoryOrNot(t *testing.T) {
	testdb.NoLeaks(t)
	conn, l := audited(t)
	l.receipts.doubt(-1)
	for times, sound := range []bool{true, true, false} {
		if times > 0 {
			if _, err := conn.Exec(t.Context(), "insert into bank.history values (-1, 1, 2, 1, 1, 0)"); err != nil {
				t.Fatal(err)
			}
		}
		books, err := audit(t.Context(), conn, l.bank, l.receipts)
		if err != nil {
			t.Fatal(err)
		}
		if (len(books.wrong) == 0) != sound {
			t.Errorf("in history %d times: %v", times, books.wrong)
		}
	}
}

func TestNoErrorShowsThePassword(t *testing.T) {
	testdb.NoLeaks(t)
	const secret = "hunter2"
	for _, dsn := range []string{
		"postgres://me:" + secret + "@127.0.0.1:1/bank",
		"postgres://me:" + secret + "%zz@127.0.0.1:1/bank",
		"postgres://me:" + secret + "@127.0.0.1:port/bank",
		"postgres://me:" + secret + "@127.0.0.1:1/bank?sslmode=maybe",
		"postgres://me:" + secret + "/x@127.0.0.1:1/bank",
		"host=127.0.0.1 port=1 user=me password=" + secret + " dbname=bank",
		"host=127.0.0.1 port=x user=me password='" + secret + "' dbname=bank",
		"host=127.0.0.1 password = " + secret + " dbname",
	} {
		t.Run(strings.ReplaceAll(dsn, secret, "x"), func(t *testing.T) {
			var stdout, stderr programtest.Page
			if status := run(t.Context(), []string{"-dsn", dsn}, &stdout, &stderr); status != program.Failed {
				t.Errorf("status %d, want %d", status, program.Failed)
			}
			said := stdout.String() + stderr.String()
			if strings.Contains(said, secret) || !strings.Contains(said, "quickstart: ") {
				t.Error(strings.ReplaceAll(said, secret, "(the password)"))
			}
		})
	}
}

func TestFlagsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"-duration", "0s"}, {"-accounts", "1"}, {"-conns", "0"}, {"-reports", "0"}, {"-lookups", "-1"}, {"now"}, {"-nonsense"},
	} {
		var stdout, stderr programtest.Page
		if status := run(t.Context(), args, &stdout, &stderr); status != program.Usage || stderr.String() == "" {
			t.Errorf("%v: status %d, %q", args, status, &stderr)
		}
	}
}

func TestFiguresCountLateCallsForLatencyOnly(t *testing.T) {
	var r recorder
	r.done(9*time.Millisecond, false)
	r.done(1*time.Millisecond, true)
	r.done(3*time.Millisecond, true)
	r.fail(context.DeadlineExceeded)
	got := r.figures(2 * time.Second)
	if got.calls != 3 || got.p50 != 3*time.Millisecond || got.max != 9*time.Millisecond || got.perSecond != 1 || len(got.failed) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestMoneyAndFactorsAreWrittenForPeople(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{money(0), "0.00"}, {money(-5), "-0.05"}, {money(123456789), "1,234,567.89"},
		{times(9.96), "10x"}, {times(2.04), "2.0x"}, {times(1000), "1,000x"},
		{slower(4*time.Second, time.Second).text, "4.0x faster"}, {slower(time.Second, 2*time.Second).text, "2.0x slower"},
		{more(10, 20).text, "2.0x more"}, {more(20, 10).text, "2.0x fewer"}, {more(100, 104).text, "about the same"}, {more(0, 5).text, "-"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestTheReportOfAnIdleSideIsNotSound(t *testing.T) {
	var r report
	var out programtest.Page
	if r.write(&out) {
		t.Errorf("no call at all, and yet:\n%s", &out)
	}
	if want := fmt.Sprintf("WRONG %s: no reports were answered at all", r.sides[0].name); !strings.Contains(out.String(), want) {
		t.Errorf("the report lacks %q:\n%s", want, &out)
	}
}
