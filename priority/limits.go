package priority

import (
	"errors"
	"fmt"
	"time"
)

// DefaultAgingShare is the default of [Limits.AgingShare].
const DefaultAgingShare = 16

// Limits are a scheduler's numbers. All of them can change while it is in use. Since the weights are a map two Limits cannot be
// compared by ==; [reflect.DeepEqual] does it.
type Limits struct {
	// Permits is how many permits may be out at once. It must not be negative.
	Permits int
	// Reserve is how many of them only High may hold. The lower classes together hold at most Permits less Reserve,
	// but always may hold one. Defaults to 0.
	Reserve int
	// AgingShare bounds starvation: a class that waits while higher ones are served gets one in so many of the grants.
	// Negative is strict priority, under which a lower class may wait for ever. Defaults to DefaultAgingShare.
	AgingShare int
	// MaxWaiting is how many callers may wait at once. When one more comes, the lowest class that waits makes room,
	// unless none is lower than the newcomer's, who is then refused. Zero is no limit.
	MaxWaiting int
	// MaxWait is how long a caller may wait. Zero is no limit but its context.
	MaxWait time.Duration
	// Shedding says what happens when more comes than can be served. Defaults to ShedOff.
	Shedding Shedding
	// TenantWeights are the shares of the tenants, inside a class, where several wait: who has twice the weight gets twice the
	// time. A tenant that is not in it has 1. Whoever gives it must not change it afterwards.
	TenantWeights Weights
	// TenantPermits is how many permits one tenant may hold at once, even if others are free. Zero is no limit. Callers
	// without a tenant have none.
	TenantPermits int
	// TenantWaiting is how many calls of one tenant may wait at once. Zero is no limit but MaxWaiting.
	TenantWaiting int
	// SlowAfter, above zero, says that calls with a label whose calls take longer than this in the mean are slow. All of
	// them together may hold SlowShare percent of the permits, one at least. They may have more while nobody else comes: when
	// nobody who is not slow waits, and none has come for as long as a slow call takes. Calls without a label are not slow.
	SlowAfter time.Duration
	// SlowShare is the percentage of the permits that slow calls may hold. Defaults to DefaultSlowShare.
	SlowShare int
}

// Validate reports everything that is wrong with l.
func (l Limits) Validate() error {
	var errs []error
	if l.Permits < 0 {
		errs = append(errs, fmt.Errorf("Permits is %d: must not be negative", l.Permits))
	}
	if l.Reserve < 0 {
		errs = append(errs, fmt.Errorf("Reserve is %d: must not be negative", l.Reserve))
	}
	if l.Reserve > 0 && l.Reserve >= l.Permits && l.Permits > 0 {
		errs = append(errs, fmt.Errorf("Reserve is %d of %d permits: it must leave one to the lower classes", l.Reserve, l.Permits))
	}
	if l.AgingShare == 1 {
		errs = append(errs, errors.New("AgingShare is 1: it would give every grant to the lowest class; want 2 or more, or -1 for strict priority"))
	}
	if l.MaxWaiting < 0 {
		errs = append(errs, fmt.Errorf("MaxWaiting is %d: must not be negative", l.MaxWaiting))
	}
	if l.MaxWait < 0 {
		errs = append(errs, fmt.Errorf("MaxWait is %s: must not be negative", l.MaxWait))
	}
	if err := l.TenantWeights.Validate(); err != nil {
		errs = append(errs, err)
	}
	if l.TenantPermits < 0 {
		errs = append(errs, fmt.Errorf("TenantPermits is %d: must not be negative", l.TenantPermits))
	}
	if l.TenantWaiting < 0 {
		errs = append(errs, fmt.Errorf("TenantWaiting is %d: must not be negative", l.TenantWaiting))
	}
	if l.SlowAfter < 0 {
		errs = append(errs, fmt.Errorf("SlowAfter is %s: must not be negative", l.SlowAfter))
	}
	if l.SlowShare < 0 || l.SlowShare > 100 {
		errs = append(errs, fmt.Errorf("SlowShare is %d: want a percentage", l.SlowShare))
	}
	if !l.Shedding.Valid() {
		errs = append(errs, fmt.Errorf("Shedding is %d: want ShedOff, ShedDryRun or ShedOn", l.Shedding))
	}
	return errors.Join(errs...)
}

func (l Limits) withDefaults() Limits {
	if l.AgingShare == 0 {
		l.AgingShare = DefaultAgingShare
	}
	return l
}
