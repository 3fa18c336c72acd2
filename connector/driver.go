package connector

import (
	"database/sql/driver"
	"errors"
)

// DriverName is the name by which package poolsql, the root of this module, registers [Driver] with database/sql.
const DriverName = "poolsql"

// A Driver is what a *sql.DB on a connector says its driver is. The zero Driver is the one that sql.Open finds by its name.
type Driver struct{ connector *Connector }

var _ driver.DriverContext = Driver{}

// Connector returns the connector, nil for the zero Driver.
func (d Driver) Connector() *Connector { return d.connector }

// OpenConnector implements driver.DriverContext: it returns a new [Connector], a pool of its own, for a DSN whose
// parameters beginning with pool_ configure the pool: see [Config].DSN. It fails at once if these or the rest are bad.
// Unlike the DSN of a Config, name may be empty, which leaves all to the environment, as it does for psql and pgx.
//
// A *sql.DB on it closes the pool when it is closed. It keeps two idle sessions, unless SetMaxIdleConns allows it more:
// [Open] does that, and sql.Open cannot.
func (d Driver) OpenConnector(name string) (driver.Connector, error) {
	if name == "" {
		name = everythingUnsaid
	}
	c := NewConnector(Config{DSN: name})
	if err := c.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// Open implements driver.Driver, which demands it; database/sql calls OpenConnector. A pool for one connection is none.
func (d Driver) Open(string) (driver.Conn, error) {
	return nil, errors.New("poolsql: Driver.Open is not supported: use OpenConnector, as sql.Open does, " +
		"or sql.OpenDB(poolsql.NewConnector(cfg))")
}
