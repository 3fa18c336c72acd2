package main

import (
	"testing"

	"github.com/poolsql/poolsql/examples/internal/programtest"
)

func TestItShowsWhatItSays(t *testing.T) {
	programtest.RequireShown(t, "river", show, `
10 orders were begun, 5 are there, 5 letters were sent, 5 orders are confirmed
`)
}
