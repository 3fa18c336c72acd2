package suites_test

// The suites, what their tests import, and what openers use: named here so that go.mod and go.sum know them.
import (
	_ "github.com/erikstmartin/go-testdb"
	_ "github.com/jinzhu/gorm"
	_ "github.com/jinzhu/now"
	_ "github.com/jmoiron/sqlx"
	_ "github.com/lib/pq"
	_ "github.com/lib/pq/hstore"
	_ "gorm.io/datatypes"
	_ "gorm.io/driver/postgres"
	_ "gorm.io/gorm"

	_ "github.com/poolsql/poolsql"
)
