package docscheck

// What the documents import, so that go.mod requires it.
import (
	_ "github.com/DATA-DOG/go-sqlmock"
	_ "github.com/XSAM/otelsql"
	_ "github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jmoiron/sqlx"
	_ "go.opentelemetry.io/otel/exporters/prometheus"
	_ "go.opentelemetry.io/otel/sdk/metric"
	_ "gorm.io/driver/postgres"
	_ "gorm.io/gorm"

	_ "github.com/poolsql/poolsql"
	_ "github.com/poolsql/poolsql/connector/poolhttp"
	_ "github.com/poolsql/poolsql/health"
	_ "github.com/poolsql/poolsql/lifecycle"
	_ "github.com/poolsql/poolsql/otel"
	_ "github.com/poolsql/poolsql/presets"
)

// packages are what a block may use without an import of its own, by the name under which it does.
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

	"driver":     "database/sql/driver",
	"health":     "github.com/poolsql/poolsql/health",
	"http":       "net/http",
	"otelprom":   "go.opentelemetry.io/otel/exporters/prometheus",
	"otelsql":    "github.com/XSAM/otelsql",
	"pooldriver": "github.com/poolsql/poolsql/driver",
	"poolotel":   "github.com/poolsql/poolsql/otel",
	"sdkmetric":  "go.opentelemetry.io/otel/sdk/metric",
	"stdlib":     "github.com/jackc/pgx/v5/stdlib",

	"pgxpool":  "github.com/jackc/pgx/v5/pgxpool",
	"poolhttp": "github.com/poolsql/poolsql/connector/poolhttp",
	"presets":  "github.com/poolsql/poolsql/presets",
	"priority": "github.com/poolsql/poolsql/priority",
	"slog":     "log/slog",
	"sql":      "database/sql",
	"sqlmock":  "github.com/DATA-DOG/go-sqlmock",
	"sqlx":     "github.com/jmoiron/sqlx",
	"testing":  "testing",
	"time":     "time",
}

// given are the variables that a block may take for granted.
const given = "ctx context.Context, db *sql.DB, pool *poolsql.Connector, cfg poolsql.Config, m *health.Monitor, settings presets.Settings, " +
	"exporter sdkmetric.Exporter, mayOperate func(*http.Request) error, dsn string, id, from, to int64, item string"
