package pooldriver_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/poolsql/poolsql"
	pooldriver "github.com/poolsql/poolsql/driver"
)

// What the last try says may be a reason for another, but for the time that ran out meanwhile.
func TestARetryErrorSaysThatTimeRanOutDuringTheLastTry(t *testing.T) {
	t.Parallel()
	const limit = 500 * time.Millisecond
	for name, c := range map[string]struct {
		with func(context.Context) (context.Context, context.CancelFunc)
		why  string
	}{
		"deadline": {
			func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, limit)
			},
			"its deadline came during the last try",
		},
		"cancel": {
			func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(limit, cancel)
				return ctx, cancel
			},
			"its caller's context was canceled during the last try",
		},
		"limit": {
			func(ctx context.Context) (context.Context, context.CancelFunc) {
				return poolsql.WithTimeout(ctx, limit), func() {}
			},
			"the limit of the statement ran out during the last try",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := repeatable(t, 1)
			// The second time it sleeps, and makes of the cancel what it had said the first time.
			f.exec(`create function stubborn() returns void language plpgsql as $$ begin
				if nextval('runs') > 1 then perform pg_sleep(60); end if;
				raise 'mine' using errcode = '40001';
				exception when query_canceled then raise 'mine' using errcode = '40001'; end $$`)
			for _, tries := range []int{3, 1} { // left, and not
				f.exec("select setval('runs', 1, false)")
				ctx, cancel := c.with(poolsql.WithRetries(f.ctx, tries))
				defer cancel()
				_, err := f.db.ExecContext(ctx, "select stubborn()")
				var told *pooldriver.RetryError
				if !errors.As(err, &told) || told.Tries != 2 || codeOf(err) != "40001" {
					t.Fatalf("%+v: %v", told, err)
				}
				want := c.why
				if tries == 1 {
					want = ""
				}
				if told.Why != want {
					t.Errorf("says %q, want %q", told.Why, want)
				}
			}
		})
	}
}
