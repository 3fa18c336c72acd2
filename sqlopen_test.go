package poolsql_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"slices"
	"strings"
	"testing"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
)

// withParams returns a DSN with more parameters.
func withParams(dsn, params string) string {
	if strings.Contains(dsn, "?") {
		return dsn + "&" + params
	}
	return dsn + "?" + params
}

func TestSQLOpenByNameMakesAPoolForEachDBAndItsCloseEndsIt(t *testing.T) {
	testdb.NoLeaks(t)
	dsn := testdb.New(t).DSN
	if !slices.Contains(sql.Drivers(), "poolsql") || poolsql.DriverName != "poolsql" {
		t.Fatalf("the drivers are %q", sql.Drivers())
	}
	var pools []*poolsql.Connector
	for _, params := range []string{"pool_name=first&pool_max_conns=2", "pool_name=second&pool_max_conns=3"} {
		db, err := sql.Open("poolsql", withParams(dsn, params))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		var answer int
		if err := db.QueryRow("select 41 + $1::int", 1).Scan(&answer); err != nil || answer != 42 {
			t.Fatalf("%d, %v", answer, err)
		}
		c, err := poolsql.FromDB(db)
		if err != nil {
			t.Fatal(err)
		}
		if s := c.Stats(); s.TotalConns != 1 {
			t.Errorf("%s has %d connections, want 1", s.Name, s.TotalConns)
		}
		pools = append(pools, c)
		defer func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
			<-c.Done() // or this test hangs
			if err := db.Ping(); err == nil {
				t.Error("a closed DB still answers")
			}
		}()
	}
	first, second := pools[0].Stats(), pools[1].Stats()
	if first.Name != "first" || first.MaxConns != 2 || second.Name != "second" || second.MaxConns != 3 {
		t.Errorf("the pools are %s with %d and %s with %d", first.Name, first.MaxConns, second.Name, second.MaxConns)
	}
}

func TestSQLOpenByNameFailsAtOnceForABadDSN(t *testing.T) {
	for dsn, want := range map[string]string{
		"postgres://app:s3cr3t@localhost/shop?pool_max_con=3":   "pool_max_con: there is no such pool parameter; did you mean pool_max_conns?",
		"postgres://app:s3cr3t@[::1/shop":                       "DSN does not parse",
		"host=localhost password=s3cr3t pool_min_conns=1000000": "MinConns is 1000000",
	} {
		db, err := sql.Open(poolsql.DriverName, dsn)
		if err == nil {
			db.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v, want %q", dsn, err, want)
		}
	}
}

// Libraries that instrument drivers open a *sql.DB without a DSN, to get hold of the driver, and wrap its connector.
func TestDriverIsFoundByNameWithoutADSN(t *testing.T) {
	testdb.NoLeaks(t)
	t.Setenv("PGPORT", "5432")
	dsn := testdb.New(t).DSN
	empty, err := sql.Open("poolsql", "")
	if err != nil {
		t.Fatal(err)
	}
	d := empty.Driver()
	if err := empty.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := d.(driver.DriverContext).OpenConnector(dsn)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	if err := db.Ping(); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	<-c.(*poolsql.Connector).Done()

	t.Setenv("PGPORT", "s3cr3t")
	if _, err := sql.Open("poolsql", ""); err == nil || !strings.Contains(err.Error(), "port: want numbers") || strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("a bad environment: %v", err)
	}
	if _, err := d.Open(dsn); err == nil || !strings.Contains(err.Error(), "OpenConnector") {
		t.Errorf("Driver.Open: %v", err)
	}
}

// viaOpen is how wrappers that do not know of connectors use a driver.
type viaOpen struct{ driver.Connector }

func (viaOpen) Driver() driver.Driver { return connector.Driver{} }

func TestFromDBFindsNoPoolBehindADriverThatHasNone(t *testing.T) {
	testdb.NoLeaks(t)
	db := sql.OpenDB(viaOpen{failing{}})
	defer db.Close()
	if c, err := poolsql.FromDB(db); err == nil || c != nil {
		t.Errorf("found %v, %v", c, err)
	}
}

type failing struct{ driver.Connector }

func (failing) Connect(context.Context) (driver.Conn, error) { return connector.Driver{}.Open("") }
