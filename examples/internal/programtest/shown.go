package programtest

import (
	"strings"
	"testing"

	"github.com/poolsql/poolsql/examples/internal/program"
	"github.com/poolsql/poolsql/examples/internal/short"
	"github.com/poolsql/poolsql/internal/testdb"
)

// RequireShown runs a short example as a user would, in a database of the test's, and fails the test unless it ends well,
// writes want, and leaves nothing behind.
func RequireShown(t *testing.T, name string, show short.Show, want string) {
	t.Helper()
	testdb.NoLeaks(t)
	db := testdb.New(t)
	var stdout, stderr Page
	if status := short.Run(t.Context(), name, show, []string{"-dsn", db.DSN}, &stdout, &stderr); status != program.OK {
		t.Fatalf("status %d\n%s\n%s", status, &stdout, &stderr)
	}
	if got := strings.TrimSpace(stdout.String()); got != strings.TrimSpace(want) {
		t.Errorf("it shows\n%s\nand should show\n%s", got, strings.TrimSpace(want))
	}
	RequireNothingLeft(t, Connect(t, db.DSN), name)
}
