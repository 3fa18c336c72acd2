package connector_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/priority"
)

// What docs/tags.md warns of: a policy that cannot bear an empty setting, and a statement of a transaction that is run without the
// context of its tenant. Neither shows anybody what is another's.
func TestAPolicyThatCannotBearNobodyFailsAndAStatementWithoutItsContextIsOfNobody(t *testing.T) {
	t.Parallel()
	db, _ := open(t, connector.Config{MaxConns: 1, SessionSettings: []string{"app.tenant=tenant"}})
	nobody := t.Context()
	seven := priority.WithTenant(nobody, "7")
	const strict = "select current_setting('app.tenant')::int"
	const lenient = "select nullif(current_setting('app.tenant', true), '')::int"

	var n sql.NullInt64
	for _, text := range []string{strict, lenient} {
		if err := db.QueryRowContext(seven, text).Scan(&n); err != nil || n.Int64 != 7 {
			t.Errorf("%s: tenant 7 is %v, %v", text, n, err)
		}
	}
	var refused *pgconn.PgError
	if err := db.QueryRowContext(nobody, strict).Scan(&n); !errors.As(err, &refused) || refused.Code != "22P02" {
		t.Errorf("%s: nobody is %v, %v; want an error", strict, n, err)
	}
	if err := db.QueryRowContext(nobody, lenient).Scan(&n); err != nil || n.Valid {
		t.Errorf("%s: nobody is %v, %v; want null", lenient, n, err)
	}

	tx, err := db.BeginTx(seven, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for _, c := range []struct {
		ctx  context.Context
		want int64
	}{{seven, 7}, {context.Background(), 0}, {seven, 7}} {
		n = sql.NullInt64{}
		if err := tx.QueryRowContext(c.ctx, lenient).Scan(&n); err != nil || n.Int64 != c.want {
			t.Errorf("in a transaction: %v, %v; want %d", n, err, c.want)
		}
	}
}
