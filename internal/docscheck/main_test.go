package docscheck

import (
	"os"
	"testing"

	"github.com/poolsql/poolsql/internal/testdb"
)

func TestMain(m *testing.M) { os.Exit(testdb.Main(m, 1)) }
