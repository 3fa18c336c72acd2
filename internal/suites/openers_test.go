package suites_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// under is the variable that tells a suite what it stands on.
const under = "POOLSQL_SUITE_ON"

// What a suite can stand on.
const (
	onPgx     = "pgx"     // pgx/stdlib
	onPoolsql = "poolsql" // poolsql
	onAround  = "around"  // poolsql around pgx/stdlib, as around any driver
)

// An opener is a module that opens the connections of suites.
type opener struct {
	module string
	// In file, call is where it does so, and instead what is put there.
	file, call, instead string
	// beside is the file that instead needs, without its package clause.
	beside string
}

var openers = []opener{
	{
		module:  "github.com/lib/pq",
		file:    "conn.go",
		call:    `sql.Register("postgres", &Driver{})`,
		instead: `sql.Register("postgres", underTest{})`,
		beside: `
import (
	"database/sql/driver"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/connector"
)

type underTest struct{}

func (underTest) Open(string) (driver.Conn, error) { return nil, errors.New("not by database/sql") }

func (underTest) OpenConnector(dsn string) (driver.Connector, error) {
	switch on := suiteOn(); on {
	case "poolsql":
		return connector.Driver{}.OpenConnector(dsn)
	case "pgx":
		return stdlib.GetDefaultDriver().(driver.DriverContext).OpenConnector(dsn)
	default:
		config, err := pgx.ParseConfig(dsn)
		if err != nil {
			return nil, err
		}
		return poolsql.NewConnector(poolsql.Config{Connector: stdlib.GetConnector(*config)}), nil
	}
}
`,
	},
	{
		module:  "gorm.io/driver/postgres",
		file:    "postgres.go",
		call:    `stdlib.OpenDB(*config, dialector.OptionOpenDB...)`,
		instead: `openUnderTest(config, dialector.OptionOpenDB)`,
		beside: `
import (
	"database/sql"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/poolsql/poolsql"
)

func openUnderTest(config *pgx.ConnConfig, options []stdlib.OptionOpenDB) *sql.DB {
	var cfg poolsql.Config
	switch on := suiteOn(); {
	case on == "pgx":
		return stdlib.OpenDB(*config, options...)
	case on == "poolsql" && len(options) == 0: // they are functions of stdlib's own
		cfg.ConnConfig = config
	default:
		cfg.Connector = stdlib.GetConnector(*config, options...)
	}
	db, err := poolsql.Open(cfg)
	if err != nil {
		panic(err)
	}
	return db
}
`,
	},
}

// suiteOn is what both ask.
const suiteOn = `package %s

import "os"

func suiteOn() string {
	switch on := os.Getenv(%q); on {
	case %q, %q, %q:
		return on
	default:
		panic("a suite stands on " + on)
	}
}
`

// copyTo copies the opener's module to dir and makes it ask the environment.
func (o opener) copyTo(t *testing.T, dir string) {
	t.Helper()
	copyFolder(t, moduleDir(t, o.module), dir)
	file := filepath.Join(dir, o.file)
	before := read(t, file)
	if strings.Count(before, o.call) != 1 {
		t.Fatalf("%s of %s does not open connections by one %s any more", o.file, o.module, o.call)
	}
	write(t, file, strings.Replace(before, o.call, o.instead, 1))
	_, clause, _ := strings.Cut("\n"+before, "\npackage ")
	name, _, _ := strings.Cut(clause, "\n")
	write(t, filepath.Join(dir, "poolsql_open.go"), "package "+name+"\n"+o.beside)
	write(t, filepath.Join(dir, "poolsql_on.go"), fmt.Sprintf(suiteOn, name, under, onPgx, onPoolsql, onAround))
}

// copyFolder copies all that is in a folder, so that it can be written to: in the module cache nothing can.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(to, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chmod(path, 0o755)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// unused are drivers for other databases that suites import. Of each there is what they need to compile.
var unused = map[string]string{
	"github.com/mattn/go-sqlite3":      "package sqlite3\n",
	"github.com/denisenkom/go-mssqldb": "package mssql\n",
	"gorm.io/driver/sqlite":            "package sqlite\n" + noDialector,
	"gorm.io/driver/sqlserver":         "package sqlserver\n" + noDialector,
}

const noDialector = `
import "gorm.io/gorm"

func Open(string) gorm.Dialector { panic("this database is not here") }
`
