package bank

import (
	"database/sql/driver"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	pooldriver "github.com/poolsql/poolsql/driver"
)

// inspect complains of what a caller may never be told.
func inspect(j *Journal, way *way, t *transfer, p *patience, o Outcome, err error) {
	if err == nil {
		return
	}
	var answer *pgconn.PgError
	errors.As(err, &answer)
	switch {
	case errors.Is(err, errWrongRows):
		j.complain("transfer %d (%s): %v", t.id, way.name, err)
	case errors.Is(err, driver.ErrBadConn):
		j.complain("transfer %d (%s): driver.ErrBadConn reached the caller: %v", t.id, way.name, err)
	case answer != nil && answer.Code == "23505": // unique_violation
		j.complain("transfer %d (%s) ran twice: %v", t.id, way.name, err)
	case answer != nil && answer.Code == "57014" && strings.Contains(answer.Message, "user request") && p.unlimited():
		j.complain("transfer %d (%s) was canceled, but its caller did not ask for that: %v", t.id, way.name, err)
	case way.commits && o == Unknown && !errors.Is(err, pooldriver.ErrCommitUnknown) && answer == nil:
		j.complain("transfer %d (%s): the outcome of the commit is unknown, and not told so: %s: %v", t.id, way.name, types(err), err)
	case o == Unknown && !told(err):
		j.complain("transfer %d (%s): the outcome is unknown, and not told so: %s: %v", t.id, way.name, types(err), err)
	}
}
