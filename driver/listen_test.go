package pooldriver_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/lifecycle"
)

// Who waits for a notification has asked the server nothing: there is nothing to cancel, and nothing to wait for.
func TestWaitForANotificationEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, transport := range transports {
		t.Run(name, func(t *testing.T) {
			f := open(t, 1, transport)
			before := f.pid()
			err := f.c.Do(f.ctx, func(pg *pgx.Conn) error {
				if _, err := pg.Exec(f.ctx, "listen here"); err != nil {
					return err
				}
				for range 5 {
					ctx, cancel := context.WithTimeout(f.ctx, 50*time.Millisecond)
					began := time.Now()
					_, err := pg.WaitForNotification(ctx)
					cancel()
					if d := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || d > 500*time.Millisecond {
						t.Errorf("after %s: %v", d, err)
					}
				}
				if _, err := pg.Exec(f.ctx, "notify here"); err != nil {
					return err
				}
				_, err := pg.WaitForNotification(f.ctx)
				return err
			})
			if err != nil {
				t.Error(err)
			}
			if n := f.events.count(lifecycle.KindCancel); n != 0 {
				t.Errorf("%d cancels", n)
			}
			if after := f.pid(); after != before {
				t.Errorf("process %d serves, %d did before", after, before)
			}
		})
	}
}
