package main

import (
	"testing"

	"github.com/poolsql/poolsql/examples/internal/programtest"
)

func TestItShowsWhatItSays(t *testing.T) {
	programtest.RequireShown(t, "serverless", show, `
started, with 0 connections
hello, Ada: 1 connection, opened 1 times
hello, Grace: 1 connection, opened 1 times
hello, Barbara: thawed, opened 2 times
stopped, with 0 connections
`)
}
