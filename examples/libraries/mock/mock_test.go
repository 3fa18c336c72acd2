package mock_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"
	"time"

	"github.com/DATA-DOG/go-sqlmock"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/examples/libraries/mock"
)

// inner is the connector that poolsql is put around: it opens go-sqlmock's connections, which go-sqlmock keeps by name.
type inner struct {
	opener driver.Driver
	name   string
}

func (i inner) Connect(context.Context) (driver.Conn, error) { return i.opener.Open(i.name) }
func (i inner) Driver() driver.Driver                        { return i.opener }

// pooled returns a *sql.DB of a pool of one connection, which is go-sqlmock's.
func pooled(t *testing.T) (*sql.DB, sqlmock.Sqlmock) {
	t.Helper()
	direct, expected, err := sqlmock.NewWithDSN(t.Name())
	if err != nil {
		t.Fatal(err)
	}
	db, err := poolsql.Open(poolsql.Config{
		Connector: inner{direct.Driver(), t.Name()}, MaxConns: 1, AcquireTimeout: 50 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := expected.ExpectationsWereMet(); err != nil {
			t.Error(err)
		}
		expected.ExpectClose()
		db.Close()
		direct.Close()
	})
	return db, expected
}

func TestARenameIsWrittenDown(t *testing.T) {
	db, expect := pooled(t)
	expect.ExpectBegin()
	expect.ExpectExec("update accounts").WithArgs(7, "Ada").WillReturnResult(sqlmock.NewResult(0, 1))
	expect.ExpectExec("insert into history").WithArgs(7, "Ada").WillReturnResult(sqlmock.NewResult(0, 1))
	expect.ExpectCommit()
	if err := mock.Rename(t.Context(), db, 7, "Ada"); err != nil {
		t.Error(err)
	}
}

func TestARenameOfNobodyIsRolledBack(t *testing.T) {
	db, expect := pooled(t)
	expect.ExpectBegin()
	expect.ExpectExec("update accounts").WillReturnResult(sqlmock.NewResult(0, 0))
	expect.ExpectRollback()
	if err := mock.Rename(t.Context(), db, 7, "Ada"); !errors.Is(err, mock.ErrUnknown) {
		t.Errorf("got %v", err)
	}
}

func TestARenameIsTriedAgainAfterASerializationFailure(t *testing.T) {
	db, expect := pooled(t)
	expect.ExpectBegin()
	expect.ExpectExec("update accounts").WillReturnError(&pgconn.PgError{Code: "40001"})
	expect.ExpectRollback()
	expect.ExpectBegin()
	expect.ExpectExec("update accounts").WillReturnResult(sqlmock.NewResult(0, 1))
	expect.ExpectExec("insert into history").WillReturnResult(sqlmock.NewResult(0, 1))
	expect.ExpectCommit()
	if err := mock.Rename(t.Context(), db, 7, "Ada"); err != nil {
		t.Error(err)
	}
}

func TestARenameIsRefusedWhereNobodyGivesAConnectionBack(t *testing.T) {
	db, expect := pooled(t)
	expect.ExpectBegin()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	err = mock.Rename(t.Context(), db, 7, "Ada")
	if refused, ok := errors.AsType[*poolsql.AcquireError](err); !ok || refused.Refused.Label != "rename" {
		t.Errorf("got %v", err)
	}
	expect.ExpectRollback()
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
}
