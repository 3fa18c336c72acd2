package testdb_test

import (
	"os"
	"testing"

	"github.com/poolsql/poolsql/internal/testdb"
)

// atOnce is how many tests run at the same time. Servers that start want a processor, and that end are waited for.
const atOnce = 5

func TestMain(m *testing.M) { os.Exit(testdb.Main(m, atOnce)) }
