package conformance_test

import (
	"testing"

	"github.com/poolsql/poolsql/internal/conformance"
	"github.com/poolsql/poolsql/internal/testdb"
)

func TestPoolsqlDoesWhatPgxDoes(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	cases := conformance.Cases()
	// The databases belong to the test, so that its check for leaks sees all connections.
	database := func(testing.TB) string { return testdb.New(t).DSN }
	conformance.Compare(t, database, conformance.Plain, conformance.Poolsql, cases, conformance.AllModes, conformance.PoolsqlDiffers)
}
