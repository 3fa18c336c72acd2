package testdb

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// OrdinaryDSN is the TCPDSN for a role that is no superuser, and that owns the
// database from now on. PostgreSQL keeps some of its connections for superusers
// (superuser_reserved_connections, 3 unless set): a test that uses up all the
// others connects by this DSN, so that Backends and NoLeaks can still look.
//
// The role may see the statistics of all sessions (pg_monitor). A server named
// by POOLSQL_TEST_DATABASE_URL gets no role.
func (db *DB) OrdinaryDSN(ctx context.Context) (string, error) {
	c := db.Server.cluster
	if c == nil {
		return "", errors.New("testdb: no role is created on the server of " + envDatabaseURL)
	}
	if err := db.giveToOrdinary(ctx); err != nil {
		return "", fmt.Errorf("testdb: give the database to an ordinary role: %w", err)
	}
	return c.url(ordinaryUser, c.address(), db.Name, url.Values{}), nil
}

func (db *DB) giveToOrdinary(ctx context.Context) error {
	return db.Server.admin(ctx, func(conn *pgx.Conn) error {
		// The password is hexadecimal digits, and parameters are not taken here.
		_, err := conn.Exec(ctx, "create role "+ordinaryUser+" login in role pg_monitor password '"+db.Server.cluster.password+"'")
		if err != nil && !isThereAlready(err) {
			return err
		}
		_, err = conn.Exec(ctx, "alter database "+pgx.Identifier{db.Name}.Sanitize()+" owner to "+ordinaryUser)
		return err
	})
}

// isThereAlready tells an object that was created before, or at the same time.
func isThereAlready(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && (pgErr.Code == "42710" || pgErr.Code == "23505")
}
