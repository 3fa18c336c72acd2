package connector

import (
	"strings"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql/internal/sqltext"
	"github.com/poolsql/poolsql/lifecycle"
)

// redactEvent takes the data out of an event before anybody is told of it: what a server said out of its error, as it may quote
// some, and the literals out of its statement. The caller whose statement failed gets the server's error as it is; nobody
// else does.
func redactEvent(e *lifecycle.Event) {
	if e.Err != nil {
		e.Err = redact(e.Err)
	}
	if e.Detail != "" {
		e.Detail = sqltext.Strip(e.Detail)
	}
}

// redact returns an error with err's text, in which the SQLSTATE stands for what the server said. Nothing can be
// unwrapped from it. The text is made when somebody reads it: most observers count, and while thousands are turned away
// that is all that there is time for.
func redact(err error) error {
	return &redacted{sync.OnceValue(func() string {
		text := err.Error()
		for _, said := range serverErrors(err, nil) {
			text = strings.ReplaceAll(text, said.Error(), "SQLSTATE "+said.Code)
			if said.Message != "" {
				text = strings.ReplaceAll(text, said.Message, "SQLSTATE "+said.Code)
			}
		}
		return text
	})}
}

// A redacted error is a text. It has no field in which anything else could be found, by whatever prints it.
type redacted struct{ text func() string }

func (r *redacted) Error() string { return r.text() }

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
