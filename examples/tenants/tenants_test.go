package main

import (
	"testing"

	"github.com/poolsql/poolsql/examples/internal/programtest"
)

func TestItShowsWhatItSays(t *testing.T) {
	programtest.RequireShown(t, "tenants", show, `
acme sees 1 invoices, of 10 in all
globex sees 1 invoices, of 700 in all
nobody sees 0 invoices, of 0 in all
acme cannot write for globex
acme, after a SET was left behind, sees 1 invoices, of 10 in all
`)
}
