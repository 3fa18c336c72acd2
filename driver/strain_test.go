package pooldriver_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/lifecycle"
)

func TestStrainIsWhatSaysThatTheServerIsAskedTooMuch(t *testing.T) {
	server := func(code string) error { return fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: code}) }
	for name, c := range map[string]struct {
		err    error
		strain lifecycle.Strain
		is     bool
	}{
		"nothing":                  {nil, 0, false},
		"too many connections":     {server("53300"), lifecycle.StrainNoRoom, true},
		"out of memory":            {server("53200"), lifecycle.StrainNoRoom, true},
		"starting up":              {server("57P03"), lifecycle.StrainNotReady, true},
		"a unique violation":       {server("23505"), 0, false},
		"canceled by an operator":  {server("57014"), 0, false},
		"going down":               {server("57P01"), 0, false},
		"a statement timeout":      {&pooldriver.TimeoutError{Limit: pooldriver.LimitStatement}, lifecycle.StrainTimeout, true},
		"the context's deadline":   {&pooldriver.TimeoutError{Limit: pooldriver.LimitContext}, lifecycle.StrainTimeout, true},
		"idle in a transaction":    {&pooldriver.TimeoutError{Limit: pooldriver.LimitIdleInTransaction}, 0, false},
		"never sent":               {&pooldriver.TimeoutError{Limit: pooldriver.LimitContext, Interruption: pooldriver.Interruption{Unsent: true}}, 0, false},
		"another driver's timeout": {context.DeadlineExceeded, lifecycle.StrainTimeout, true},
		"a caller who left":        {context.Canceled, 0, false},
		"anything else":            {errors.New("no"), 0, false},
	} {
		strain, is := pooldriver.StrainOf(c.err)
		if is != c.is || is && strain != c.strain {
			t.Errorf("%s: %d, %t", name, strain, is)
		}
	}
}
