package main

import (
	"testing"

	"github.com/poolsql/poolsql/examples/internal/programtest"
)

func TestItShowsWhatItSays(t *testing.T) {
	programtest.RequireShown(t, "sqlc", show, `
1 renamed
Ada Lovelace: "the first programmer"
Grace: ""
`)
}
