package main

import (
	"testing"

	"github.com/poolsql/poolsql/examples/internal/programtest"
)

func TestItShowsWhatItSays(t *testing.T) {
	programtest.RequireShown(t, "sql", show, `
account 1 has 70
account 2 has 30
"search" got no connection in time: true
one is held by "nightly export"
one is held by "nightly export"
`)
}
