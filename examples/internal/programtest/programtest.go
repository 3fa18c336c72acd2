// Package programtest is for the tests of the examples, which run them as a user would.
package programtest

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Page collects what a program writes, while it still writes. The zero value is empty. Safe for concurrent use.
type Page struct {
	mu sync.Mutex
	// guarded by mu

	text bytes.Buffer
}

// Write implements io.Writer.
func (p *Page) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

// String returns what was written so far.
func (p *Page) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// Connect returns a connection to look over a program's shoulder with, until the test ends.
func Connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// WithParameters adds parameters, which & separates, to a URL.
func WithParameters(dsn, parameters string) string {
	separator := "?"
	if strings.Contains(dsn, "?") {
		separator = "&"
	}
	return dsn + separator + parameters
}

// Schemas returns the schemas that the program of this name has in the database.
func Schemas(t *testing.T, conn *pgx.Conn, program string) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), "select nspname from pg_namespace where starts_with(nspname, 'poolsql_' || $1 || '_')", program)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// RequireNothingLeft fails the test if the program of this name has left a schema behind.
func RequireNothingLeft(t *testing.T, conn *pgx.Conn, program string) {
	t.Helper()
	if left := Schemas(t, conn, program); len(left) > 0 {
		t.Errorf("schemas left behind: %v", left)
	}
}
