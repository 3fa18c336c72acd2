package docscheck

// What README.md imports, so that go.mod requires it.
import (
	_ "github.com/jackc/pgx/v5"
	_ "github.com/jmoiron/sqlx"
	_ "gorm.io/driver/postgres"
	_ "gorm.io/gorm"

	_ "github.com/poolsql/poolsql"
	_ "github.com/poolsql/poolsql/lifecycle"
)

// packages are what a block of README.md may use without an import of its own, by the name under which it does.
var packages = map[string]string{
	"context":   "context",
	"errors":    "errors",
	"fmt":       "fmt",
	"lifecycle": "github.com/poolsql/poolsql/lifecycle",
	"log":       "log",
	"gorm":      "gorm.io/gorm",
	"pgx":       "github.com/jackc/pgx/v5",
	"poolsql":   "github.com/poolsql/poolsql",
	"postgres":  "gorm.io/driver/postgres",
	"connector": "github.com/poolsql/poolsql/connector",
	"presets":   "github.com/poolsql/poolsql/presets",
	"priority":  "github.com/poolsql/poolsql/priority",
	"slog":      "log/slog",
	"sql":       "database/sql",
	"sqlx":      "github.com/jmoiron/sqlx",
	"time":      "time",
}

// given are the variables that a block may take for granted.
const given = "ctx context.Context, db *sql.DB, pool *poolsql.Connector, dsn string, id, from, to int64, item string"
