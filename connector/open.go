package connector

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	pooldriver "github.com/poolsql/poolsql/driver"
)

// maxIdleSessions is how many sessions Open lets database/sql keep. A session is a few hundred bytes; making one anew
// costs four allocations, which would be most of what a fast query costs.
const maxIdleSessions = 1 << 16

// Open returns a *sql.DB on a new connector for cfg. It fails if cfg is bad. It does not connect.
func Open(cfg Config) (*sql.DB, error) {
	c := NewConnector(cfg)
	if err := c.Err(); err != nil {
		return nil, err
	}
	db := sql.OpenDB(c)
	db.SetMaxIdleConns(maxIdleSessions)
	c.dbs.add(db)
	return db, nil
}

// FromDB returns the connector that db is on. It looks through wrappers of the driver's connections that have a method
// Raw() driver.Conn, as otelsql's have. For that it takes a connection of db, which costs no dial if db is on poolsql
// and may cost one if it is not.
//
// It fails if db is on something else. It also fails, but returns the connector all the same, if somebody limited db with
// SetMaxOpenConns: that limit would queue callers at random, before poolsql hears of them. Who limits it later is told by
// [Connector.SessionLimit], and so by package health.
func FromDB(db *sql.DB) (*Connector, error) {
	stats := db.Stats()
	limited := stats.MaxOpenConnections
	if limited > 0 && stats.InUse >= limited { // to look would be to stand in that queue
		if d, ok := db.Driver().(Driver); ok && d.connector != nil {
			d.connector.dbs.add(db)
			return d.connector, limitError(limited)
		}
		return nil, limitError(limited)
	}
	c, err := find(db)
	if c != nil {
		c.dbs.add(db)
	}
	if err == nil && limited > 0 {
		err = limitError(limited)
	}
	return c, err
}

func limitError(n int) error {
	return fmt.Errorf("poolsql: SetMaxOpenConns(%d) was called on this *sql.DB, so callers queue at random inside "+
		"database/sql, before poolsql can order them: call SetMaxOpenConns(0), and set Config.MaxConns instead", n)
}

// findTimeout bounds the look behind a wrapper: it dials if there is no poolsql behind it.
const findTimeout = 10 * time.Second

func find(db *sql.DB) (*Connector, error) {
	if d, ok := db.Driver().(Driver); ok && d.connector != nil {
		return d.connector, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), findTimeout)
	defer cancel()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("poolsql: looking behind the driver, a %T: %w", db.Driver(), err)
	}
	defer conn.Close()
	var found *Connector
	err = conn.Raw(func(driverConn any) error {
		for {
			switch c := driverConn.(type) {
			case *pooldriver.Session:
				switch from := c.Source().(type) {
				case source:
					found = from.c
				case routed:
					found = from.c
				}
				return nil
			case interface{ Raw() driver.Conn }:
				driverConn = c.Raw()
			default:
				return errors.New("poolsql: this *sql.DB is not on a poolsql connector")
			}
		}
	})
	return found, err
}
