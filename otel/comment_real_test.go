package poolotel_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	poolotel "github.com/poolsql/poolsql/otel"
	"github.com/poolsql/poolsql/priority"
)

// whatRuns is a statement that returns what the server shows of it.
const whatRuns = "select query from pg_stat_activity where pid = pg_backend_pid() and $1"

// shownComment runs whatRuns and returns the comment behind it.
func shownComment(ctx context.Context, t *testing.T, query func(ctx context.Context, into *string) error) string {
	t.Helper()
	var shown string
	if err := query(ctx, &shown); err != nil {
		t.Fatal(err)
	}
	rest, ok := strings.CutPrefix(shown, whatRuns+" /*")
	comment, closed := strings.CutSuffix(rest, "*/")
	if !ok || !closed {
		t.Fatalf("the server shows %q", shown)
	}
	return comment
}

func TestTheServerShowsTheCommentAndKeepsItsStatements(t *testing.T) {
	testdb.NoLeaks(t)
	db, pool, all := openTraced(t, connector.Config{
		DSN: testdb.New(t).DSN, MaxConns: 1,
		Comment: poolotel.Comments(poolotel.WithCommentApplication("shop*/"), poolotel.WithCommentLabels(4)),
	})
	query := func(ctx context.Context, into *string) error {
		return db.QueryRowContext(ctx, whatRuns, true).Scan(into)
	}
	const labels, rounds = 10, 20
	shown := map[string]bool{}
	for range rounds {
		for i := range labels {
			all.under(t.Context(), func(ctx context.Context) {
				ctx = priority.NewContext(ctx, priority.Options{Class: priority.Low, Label: fmt.Sprint("*/ call ", i), Tenant: fmt.Sprint(i)})
				shown[shownComment(ctx, t, query)] = true
			})
		}
	}
	const texts = 4 + 1 // the labels that there is room for, and other
	if len(shown) != texts {
		t.Errorf("%d comments, want %d: %v", len(shown), texts, shown)
	}
	for comment := range shown {
		pairs := parse(t, comment)
		if pairs["application"] != "shop*/" || pairs["class"] != "low" || pairs["label"] == "" || len(pairs) != 3 {
			t.Errorf("%s", comment)
		}
	}
	s := pool.Stats()
	if s.StatementMisses != texts || s.StatementHits != labels*rounds-texts {
		t.Errorf("%d statements were prepared and %d found, want %d and %d", s.StatementMisses, s.StatementHits, texts, labels*rounds-texts)
	}
	if c := pool.Connections(); len(c) != 1 || c[0].Prepared != texts {
		t.Errorf("connections: %+v, want one with %d statements", c, texts)
	}
}

// Where nothing is kept by its text, the comment has the span of the very statement.
func TestAStatementThatIsNotKeptNamesItsSpan(t *testing.T) {
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		t.Run(mode.String(), func(t *testing.T) {
			testdb.NoLeaks(t)
			cc, err := pgx.ParseConfig(testdb.New(t).DSN)
			if err != nil {
				t.Fatal(err)
			}
			cc.DefaultQueryExecMode = mode
			db, _, all := openTraced(t, connector.Config{
				ConnConfig: cc, MaxConns: 1, Comment: poolotel.Comments(poolotel.WithCommentTenants()),
			})
			for _, label := range []string{"checkout", "*/ ; select 1 /*", "it's $1 or %s", "\xff\x00"} {
				all.take()
				ctx := priority.NewContext(t.Context(), priority.Options{Label: label, Tenant: label})
				var shown string
				if err := db.QueryRowContext(ctx, strings.Replace(whatRuns, "$1", "true", 1)).Scan(&shown); err != nil {
					t.Fatal(err)
				}
				_, comment, _ := strings.Cut(strings.TrimSuffix(shown, "*/"), "/*")
				pairs := parse(t, comment)
				if pairs["label"] != clean(label) || pairs["tenant"] != clean(label) {
					t.Errorf("the server shows %s, want the label %q", comment, label)
				}
				span := all.one(t).SpanContext
				if want := fmt.Sprintf("00-%s-%s-01", span.TraceID(), span.SpanID()); pairs["traceparent"] != want {
					t.Errorf("the server shows %s, want the span %s", comment, want)
				}
			}
		})
	}
}
