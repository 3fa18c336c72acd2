package connector_test

import (
	"context"
	"database/sql"
	"math/rand/v2"
)

// transfer moves money between two accounts, as a transaction or as one statement. sent reports, when it failed, whether
// the outcome is unknown because the end of it had been sent.
func transfer(ctx context.Context, db *sql.DB, id int64, rnd *rand.Rand) (sent bool, err error) {
	from, to := 1+rnd.IntN(20), 1+rnd.IntN(20)
	if from > to { // in a fixed order, so that transfers do not lock each other out
		from, to = to, from
	}
	if rnd.IntN(2) == 0 {
		_, err := db.ExecContext(ctx, `with moved as (insert into transfer values ($1, 1)),
			taken as (update account set balance = balance - 1 where id = $2 and $2 <> $3)
			update account set balance = balance + 1 where id = $3 and $2 <> $3`, id, from, to)
		return true, err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	for _, s := range []struct {
		sql  string
		args []any
	}{
		{"insert into transfer values ($1, 1)", []any{id}},
		{"update account set balance = balance - 1 where id = $1", []any{from}},
		{"update account set balance = balance + 1 where id = $1", []any{to}},
	} {
		if _, err := tx.ExecContext(ctx, s.sql, s.args...); err != nil {
			return false, err
		}
	}
	return true, tx.Commit()
}
