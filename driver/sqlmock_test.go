package pooldriver_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/DATA-DOG/go-sqlmock"

	"github.com/poolsql/poolsql/internal/testdb"
)

// byName makes a connector of a driver that opens by name, as go-sqlmock's does.
type byName struct {
	d    driver.Driver
	name string
}

func (b byName) Connect(context.Context) (driver.Conn, error) { return b.d.Open(b.name) }
func (b byName) Driver() driver.Driver                        { return b.d }

// mocked returns a *sql.DB on a pool on go-sqlmock, as a user's unit tests would have it.
func mocked(t *testing.T) (*sql.DB, sqlmock.Sqlmock) {
	t.Helper()
	direct, mock, err := sqlmock.NewWithDSN(t.Name(), sqlmock.MonitorPingsOption(true))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { direct.Close() })
	db, _ := onFake(t, byName{direct.Driver(), t.Name()}, 1)
	t.Cleanup(func() {
		if err := mock.ExpectationsWereMet(); err != nil {
			t.Error(err)
		}
		mock.ExpectClose()
	})
	return db, mock
}

func TestUnitTestsWithSqlmockRunOnThePool(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	db, mock := mocked(t)
	ctx := t.Context()

	mock.ExpectPing()
	if err := db.PingContext(ctx); err != nil {
		t.Error(err)
	}
	mock.ExpectExec("insert into people").WithArgs(int64(1), "Ada").WillReturnResult(sqlmock.NewResult(7, 1))
	res, err := db.ExecContext(ctx, "insert into people values (?, ?)", 1, "Ada")
	if err != nil {
		t.Fatal(err)
	}
	if id, _ := res.LastInsertId(); id != 7 {
		t.Errorf("id %d", id)
	}
	mock.ExpectQuery("select name").WithArgs(1).WillReturnRows(sqlmock.NewRows([]string{"name"}).AddRow("Ada"))
	var name string
	if err := db.QueryRowContext(ctx, "select name from people where id = ?", 1).Scan(&name); err != nil || name != "Ada" {
		t.Errorf("%q, %v", name, err)
	}
	mock.ExpectQuery("select name").WillReturnRows(sqlmock.NewRows([]string{"name"}))
	if err := db.QueryRowContext(ctx, "select name from people").Scan(&name); !errors.Is(err, sql.ErrNoRows) {
		t.Errorf("no row: %v", err)
	}
	errMock := errors.New("mocked")
	mock.ExpectExec("delete").WillReturnError(errMock)
	if _, err := db.ExecContext(ctx, "delete from people"); !errors.Is(err, errMock) {
		t.Errorf("error: %v", err)
	}
	if _, err := db.ExecContext(ctx, "not expected"); err == nil {
		t.Error("what is not expected passes")
	}
}

func TestTransactionsWithSqlmockRunOnThePool(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	db, mock := mocked(t)
	ctx := t.Context()
	mock.ExpectBegin()
	mock.ExpectExec("update").WillReturnResult(sqlmock.NewResult(0, 3))
	mock.ExpectQuery("select").WillReturnRows(sqlmock.NewRows([]string{"n"}).AddRow(1).AddRow(2))
	mock.ExpectCommit()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(ctx, "update people set name = ''"); err != nil {
		t.Error(err)
	}
	rows, err := tx.QueryContext(ctx, "select n")
	if got := count(rows, err); got != "2 <nil> <nil>" {
		t.Errorf("rows: %s", got)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	mock.ExpectBegin()
	mock.ExpectRollback()
	if tx, err = db.BeginTx(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	mock.ExpectBegin().WillReturnError(errors.New("no transaction"))
	if _, err := db.BeginTx(ctx, nil); err == nil {
		t.Error("a begin that fails passes")
	}
}

func TestStatementsWithSqlmockRunOnThePool(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	db, mock := mocked(t)
	ctx := t.Context()
	prepared := mock.ExpectPrepare("insert into people")
	prepared.ExpectExec().WithArgs(1).WillReturnResult(sqlmock.NewResult(1, 1))
	prepared.ExpectExec().WithArgs(2).WillReturnResult(sqlmock.NewResult(2, 1))
	st, err := db.PrepareContext(ctx, "insert into people values (?)")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if _, err := st.ExecContext(ctx, i+1); err != nil {
			t.Error(err)
		}
	}
	if err := st.Close(); err != nil {
		t.Error(err)
	}
	mock.ExpectPrepare("nonsense").WillReturnError(errors.New("cannot"))
	if _, err := db.PrepareContext(ctx, "nonsense"); err == nil {
		t.Error("a statement that cannot be prepared passes")
	}
}
