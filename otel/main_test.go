package poolotel_test

import (
	"os"
	"testing"

	"github.com/poolsql/poolsql/internal/testdb"
)

// atOnce is how many tests run at the same time.
const atOnce = 4

func TestMain(m *testing.M) { os.Exit(testdb.Main(m, atOnce)) }
