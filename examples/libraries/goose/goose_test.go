package main

import (
	"testing"

	"github.com/poolsql/poolsql/examples/internal/programtest"
)

func TestItShowsWhatItSays(t *testing.T) {
	programtest.RequireShown(t, "goose", show, `
3 instances applied 2 migrations
the next one applies 0; the database is at version 2
`)
}
