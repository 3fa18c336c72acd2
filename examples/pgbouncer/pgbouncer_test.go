package main

import (
	"testing"

	"github.com/poolsql/poolsql/examples/internal/programtest"
	"github.com/poolsql/poolsql/internal/testdb"
)

func TestItShowsWhatItSays(t *testing.T) {
	testdb.NoLeaks(t)
	db := testdb.New(t)
	pooler := testdb.PgBouncer(t, db.Server, "transaction", serverConns)
	var stdout programtest.Page
	if err := show(t.Context(), pooler.DSN(db.Name), &stdout); err != nil {
		t.Fatal(err)
	}
	const want = `20 callers were served by no more than 3 sessions of the server: true
a transaction has one session to itself, temporary tables included
LISTEN was not sent: true
`
	if got := stdout.String(); got != want {
		t.Errorf("it shows\n%s\nand should show\n%s", got, want)
	}
}
