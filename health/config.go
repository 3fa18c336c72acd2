package health

import (
	"errors"
	"fmt"
	"time"

	"github.com/poolsql/poolsql/connector/pgbouncer"
)

// The defaults of [Config].
const (
	DefaultInterval     = 30 * time.Second
	DefaultWindow       = time.Minute
	DefaultProbeTimeout = 2 * time.Second
	DefaultWaitTarget   = 100 * time.Millisecond
	DefaultDwell        = 10 * time.Second
)

// The defaults of [Thresholds].
const (
	DefaultUtilizationThreshold = 80.0
	DefaultWaitingThreshold     = 10
	DefaultWaitThreshold        = 100 * time.Millisecond
	DefaultErrorRateThreshold   = 1.0
)

// sampleEvery is how often the counters are read. A read costs microseconds, and a second is as fine as people look.
const sampleEvery = time.Second

// Config says how health is judged. Its zero value is a good start. [New] copies it.
type Config struct {
	// Interval is how often a judgement is told to the pool's observers, how often the database is asked whether it is
	// there when no work has shown it, and how often PgBouncer's console is read. A change of status is told at once.
	// It is at least a second. Defaults to DefaultInterval.
	//
	// presets reads it from POOL_HEALTH_CHECK_INTERVAL_MS, and has 0 where there is to be no check at all:
	//
	//	m, err := health.New(pool, health.Config{Interval: settings.HealthCheckInterval})
	//	…
	//	if settings.HealthCheckInterval > 0 {
	//		m.Start()
	//	}
	Interval time.Duration
	// Window is how far back the rates, quantiles and averages look. From 10 seconds to 5 minutes. Defaults to
	// DefaultWindow.
	Window time.Duration
	// Dwell is for how long a status is kept, at least, before a better one takes its place. A worse one does at once.
	// Defaults to DefaultDwell.
	Dwell time.Duration
	// WaitTarget is the 99th percentile of the waits for a connection that is still good. It is where the score begins to
	// fall; at twenty times as much it has lost all that it can lose by waits. Defaults to DefaultWaitTarget.
	WaitTarget time.Duration

	// NoProbe has the database never asked by the monitor itself: health is what work shows. Set it where a database that
	// nobody uses should be left to sleep.
	NoProbe bool
	// ProbeTimeout is how long a probe may take, the wait for a connection included. Defaults to DefaultProbeTimeout.
	ProbeTimeout time.Duration

	// Thresholds are what the warnings go by.
	Thresholds Thresholds

	// PgBouncer, if set, reads the console of the PgBouncer between the pool and the server. Its owner closes it, after the
	// monitor. Without one, and with a PgBouncerConsole in the pool's configuration, the monitor makes one of its own.
	PgBouncer *pgbouncer.Client

	// ShowQueries has the statements in reports, their literals replaced by question marks. Without it there are none.
	ShowQueries bool
}

// Thresholds are what the warnings go by: each warns of more than this. Zero is the default, a negative value is never.
// All but Waiting are of the window.
type Thresholds struct {
	// Utilization is a percentage of the maximum of connections, over time. Defaults to DefaultUtilizationThreshold.
	Utilization float64
	// Waiting is how many callers wait at the instant. Defaults to DefaultWaitingThreshold.
	Waiting int
	// Wait is how long callers wait for a connection on average. Defaults to DefaultWaitThreshold.
	Wait time.Duration
	// ErrorRate is a percentage of the operations: those that failed for whatever reason, be it the application's own.
	// Defaults to DefaultErrorRateThreshold.
	ErrorRate float64
}

// Validate reports everything that is wrong with the configuration, joined.
func (cfg *Config) Validate() error {
	var errs []error
	within := func(name string, d, least, most time.Duration) {
		switch {
		case d == 0:
		case d < least:
			errs = append(errs, fmt.Errorf("%s is %s: must be at least %s", name, d, least))
		case most > 0 && d > most:
			errs = append(errs, fmt.Errorf("%s is %s: must be at most %s", name, d, most))
		}
	}
	within("Interval", cfg.Interval, sampleEvery, 0)
	within("Window", cfg.Window, 10*sampleEvery, maxWindow)
	within("Dwell", cfg.Dwell, time.Nanosecond, 0)
	within("WaitTarget", cfg.WaitTarget, time.Millisecond, 0)
	within("ProbeTimeout", cfg.ProbeTimeout, time.Millisecond, 0)
	if len(errs) > 0 {
		return fmt.Errorf("health: bad configuration: %w", errors.Join(errs...))
	}
	return nil
}

func (cfg *Config) setDefaults() {
	set(&cfg.Interval, DefaultInterval)
	set(&cfg.Window, DefaultWindow)
	set(&cfg.Dwell, DefaultDwell)
	set(&cfg.WaitTarget, DefaultWaitTarget)
	set(&cfg.ProbeTimeout, DefaultProbeTimeout)
	set(&cfg.Thresholds.Utilization, DefaultUtilizationThreshold)
	set(&cfg.Thresholds.Waiting, DefaultWaitingThreshold)
	set(&cfg.Thresholds.Wait, DefaultWaitThreshold)
	set(&cfg.Thresholds.ErrorRate, DefaultErrorRateThreshold)
}

func set[T int | float64 | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}
