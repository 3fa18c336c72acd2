package connector

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql/internal/sqltext"
	"github.com/poolsql/poolsql/lifecycle"
)

// redacting passes events on without data: what a server said is taken out of their errors, as it may quote some, and
// the literals out of their statements. The caller whose statement failed gets the server's error as it is; nobody else
// does.
type redacting struct{ to lifecycle.Observer }

func (r redacting) Observe(e lifecycle.Event) {
	if e.Err != nil {
		e.Err = redact(e.Err)
	}
	if e.Detail != "" {
		e.Detail = sqltext.Strip(e.Detail)
	}
	r.to.Observe(e)
}

// Wants implements lifecycle.Selective.
func (r redacting) Wants(k lifecycle.Kind) bool {
	selective, ok := r.to.(lifecycle.Selective)
	return !ok || selective.Wants(k)
}

// redact returns an error with err's text, in which the SQLSTATE stands for what the server said. Nothing can be
// unwrapped from it.
func redact(err error) error {
	text := err.Error()
	for _, said := range serverErrors(err, nil) {
		text = strings.ReplaceAll(text, said.Error(), "SQLSTATE "+said.Code)
		if said.Message != "" {
			text = strings.ReplaceAll(text, said.Message, "SQLSTATE "+said.Code)
		}
	}
	return errors.New(text)
}

// serverErrors returns every error of a server in err's tree.
func serverErrors(err error, found []*pgconn.PgError) []*pgconn.PgError {
	if said, ok := err.(*pgconn.PgError); ok { //nolint:errorlint // the whole tree is walked
		return append(found, said)
	}
	switch u := err.(type) { //nolint:errorlint // as above
	case interface{ Unwrap() error }:
		if inner := u.Unwrap(); inner != nil {
			return serverErrors(inner, found)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range u.Unwrap() {
			found = serverErrors(inner, found)
		}
	}
	return found
}
