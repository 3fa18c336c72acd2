package conformance_test

import (
	"os"
	"testing"

	"github.com/poolsql/poolsql/internal/testdb"
)

// atOnce is how many tests run at the same time: nearly all that they do is wait.
const atOnce = 8

func TestMain(m *testing.M) { os.Exit(testdb.Main(m, atOnce)) }
