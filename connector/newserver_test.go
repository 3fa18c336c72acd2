package connector_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql/connector"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/testdb"
)

// PostgreSQL 18 has keys of 32 bytes where there were 4. An older server talks the caller down to what it knows.
func TestACancelReachesTheServerByEachVersionOfTheProtocol(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	database := testdb.New(t)
	for _, version := range []string{"3.0", "3.2"} {
		t.Run(version, func(t *testing.T) {
			dsn := amended(t, database.TCPDSN, param{"max_protocol_version", version}, param{"sslmode", "disable"})
			onPool(t, connector.Config{DSN: dsn, MaxConns: 1}, func(db *sql.DB) {
				c, err := connector.FromDB(db)
				if err != nil {
					t.Fatal(err)
				}
				var pid uint32
				key := 0
				err = c.Do(t.Context(), func(conn *pgx.Conn) error {
					pid, key = conn.PgConn().PID(), len(conn.PgConn().SecretKey())
					return nil
				})
				want := 4
				if version == "3.2" && database.Server.Version() >= 180000 {
					want = 32
				}
				if err != nil || key != want {
					t.Fatalf("a key of %d bytes with error %v, want %d", key, err, want)
				}
				// Longer than the server needs to begin, and far shorter than the statement.
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				_, err = db.ExecContext(ctx, "select pg_sleep(30)")
				var timeout *pooldriver.TimeoutError
				var said *pgconn.PgError
				if !errors.As(err, &timeout) || timeout.Closed || !errors.As(err, &said) || said.Code != "57014" {
					t.Errorf("%v, want the server's answer to a cancel, on a connection that lives", err)
				}
				var after uint32
				if err := db.QueryRowContext(t.Context(), "select pg_backend_pid()").Scan(&after); err != nil || after != pid {
					t.Errorf("process %d with error %v, want %d, as before", after, err, pid)
				}
			})
		})
	}
}

// PostgreSQL 17 has a limit of its own, transaction_timeout, which ends the session.
func TestTheServersTransactionTimeoutIsToldAsOne(t *testing.T) {
	testdb.NoLeaksInParallel(t)
	database := testdb.New(t)
	if database.Server.Version() < 170000 {
		t.Skip("the server is older than PostgreSQL 17")
	}
	cc := parsedTLS(t, database.DSN)
	cc.RuntimeParams["transaction_timeout"] = "200ms"
	onPool(t, connector.Config{ConnConfig: cc, MaxConns: 1}, func(db *sql.DB) {
		for _, idle := range []bool{false, true} {
			tx, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			statement := "select pg_sleep(30)"
			if idle {
				statement = "select 1"
				var pid int
				if err := tx.QueryRowContext(t.Context(), "select pg_backend_pid()").Scan(&pid); err != nil {
					t.Fatal(err)
				}
				awaitEnd(t, database, pid)
			}
			_, err = tx.ExecContext(t.Context(), statement)
			var timeout *pooldriver.TimeoutError
			var lost *pooldriver.LostError
			switch {
			case errors.As(err, &timeout) && timeout.Limit == pooldriver.LimitTransaction && timeout.Closed:
			case idle && errors.As(err, &lost): // a write to a closed socket may fail before what the server said is read
			default:
				t.Errorf("idle %t: %v, want the transaction's timeout, and that the connection is closed", idle, err)
			}
			_ = tx.Rollback() // of what is gone
		}
		if err := db.PingContext(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// awaitEnd returns when the server's process has ended.
func awaitEnd(t *testing.T, database *testdb.DB, pid int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	await(t, func() bool {
		var left bool
		err := conn.QueryRow(t.Context(), "select exists(select from pg_stat_activity where pid = $1)", pid).Scan(&left)
		if err != nil {
			t.Fatal(err)
		}
		return !left
	})
}
