package main

import (
	"testing"

	"github.com/poolsql/poolsql/examples/internal/programtest"
	"github.com/poolsql/poolsql/internal/testdb"
)

func TestItShowsWhatItSays(t *testing.T) {
	testdb.NoLeaks(t)
	pair := testdb.Replicated(t)
	var stdout programtest.Page
	err := show(t.Context(), pair.PrimaryDSN(), pair.StandbyDSN(), func() error {
		return pair.Standby().Stop(t.Context(), testdb.Immediate)
	}, &stdout)
	if err != nil {
		t.Fatal(err)
	}
	const want = `100 times a note was written, and the read after it saw it
a read that may be a moment old is served by the replica
a call that does not say that it only reads, by the primary
without its replica it is served by the primary, and nobody was told an error
`
	if got := stdout.String(); got != want {
		t.Errorf("it shows\n%s\nand should show\n%s", got, want)
	}
}
