package main

import (
	"testing"

	"github.com/poolsql/poolsql/examples/internal/programtest"
)

func TestItShowsWhatItSays(t *testing.T) {
	programtest.RequireShown(t, "squirrel", show, `
30 found by SELECT count(*) FROM shirts []
10 found by SELECT count(*) FROM shirts WHERE color = $1 [red]
5 found by SELECT count(*) FROM shirts WHERE color = $1 AND price <= $2 [blue 15]
`)
}
