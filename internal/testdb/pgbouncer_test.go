package testdb_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/internal/testdb"
)

func TestPgBouncerStandsBeforeTheServerAndEndsWithTheTest(t *testing.T) {
	testdb.NoLeaks(t)
	db := testdb.New(t)
	var dsn string
	t.Run("while it runs", func(t *testing.T) {
		p := testdb.PgBouncer(t, db.Server, "transaction", "default_pool_size = 3")
		dsn = p.DSN(db.Name)
		conn := connect(t, dsn)
		var name string
		if err := conn.QueryRow(t.Context(), "select current_database()", pgx.QueryExecModeExec).Scan(&name); err != nil || name != db.Name {
			t.Errorf("got %q, %v", name, err)
		}
		console := connect(t, p.ConsoleDSN())
		rows, err := console.Query(t.Context(), "show config", pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			t.Fatal(err)
		}
		settings := map[string]string{}
		for rows.Next() {
			values, err := rows.Values()
			if err != nil {
				t.Fatal(err)
			}
			key, _ := values[0].(string)
			settings[key], _ = values[1].(string)
		}
		if err := rows.Err(); err != nil || settings["pool_mode"] != "transaction" || settings["default_pool_size"] != "3" {
			t.Errorf("pool_mode is %q, default_pool_size %q, %v", settings["pool_mode"], settings["default_pool_size"], err)
		}
	})
	if conn, err := pgx.Connect(t.Context(), dsn); err == nil {
		conn.Close(context.Background())
		t.Error("it runs after its test")
	}
}

// failing is a test whose failure is what is looked at.
type failing struct {
	testing.TB
	said string
}

func (f *failing) Helper() {}

func (f *failing) Fatal(args ...any) {
	f.said = args[0].(error).Error()
	panic(f)
}

func TestWithoutPgBouncerOrWithABadSettingATestFailsAndIsToldWhy(t *testing.T) {
	testdb.NoLeaks(t)
	db := testdb.New(t)
	f := &failing{TB: t}
	defer func() {
		if recover() != f {
			t.Fatal("it did not fail")
		}
		if !strings.Contains(f.said, "it ended at once") || !strings.Contains(f.said, "pool_mode") {
			t.Errorf("it says %q", f.said)
		}
	}()
	testdb.PgBouncer(f, db.Server, "swimming")
}
