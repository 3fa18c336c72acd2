package pooldriver_test

import (
	"reflect"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/poolsql/poolsql"
	pooldriver "github.com/poolsql/poolsql/driver"
)

func TestConnectorImplementsWhatPgxImplements(t *testing.T) {
	t.Parallel()
	theirs := reflect.TypeOf(stdlib.GetConnector(*parse(t, "host=nowhere")))
	if lacks := pooldriver.Lacks(t, reflect.TypeFor[*poolsql.Connector](), theirs); len(lacks) > 0 {
		t.Errorf("ours lacks %q", lacks)
	}
	if lacks := pooldriver.Lacks(t, reflect.TypeFor[struct{}](), theirs); len(lacks) == 0 {
		t.Error("pgx's connector is found to implement nothing")
	}
}
