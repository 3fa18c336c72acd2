package main

import (
	"testing"

	"github.com/poolsql/poolsql/examples/internal/programtest"
)

func TestItShowsWhatItSays(t *testing.T) {
	programtest.RequireShown(t, "sqlx", show, `
by its id: {ID:2 Name:book Stock:3}
by a list: [{ID:1 Name:pen Stock:10} {ID:3 Name:lamp Stock:0}]
in a transaction: {ID:1 Name:pen Stock:9}
`)
}
