package health_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/health"
	"github.com/poolsql/poolsql/lifecycle"
)

func TestAJudgementIsToldOnceAnIntervalAndAChangeAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, told := &engine{takes: 10 * time.Millisecond}, ofHealth()
		db, _, m := open(t, connector.Config{Connector: e, MaxConns: 2, Observer: told, AcquireTimeout: 100 * time.Millisecond}, health.Config{})
		m.Start()
		time.Sleep(5*time.Minute + time.Second/2)
		checks := told.take(lifecycle.KindHealthCheck)
		if len(checks) != 11 {
			t.Errorf("told %d times in five minutes, want 11", len(checks))
		}
		for _, c := range checks {
			if c.Count != 100 || c.Code != "healthy" || c.Pool != "poolsql" {
				t.Errorf("told %+v", c)
			}
		}
		if w := told.take(lifecycle.KindHealthWarning); len(w) != 0 {
			t.Errorf("warned: %+v", w)
		}
		e.set(func(e *engine) { e.takes = time.Second })
		defer work(t, db, 20, time.Millisecond, "select")() // most of whom find no connection
		time.Sleep(3 * time.Second)
		checks = told.take(lifecycle.KindHealthCheck)
		if len(checks) == 0 || checks[0].Code != "unhealthy" {
			t.Errorf("three seconds into an overload: %+v", checks)
		}
		warnings := told.take(lifecycle.KindHealthWarning)
		if len(warnings) == 0 || !strings.Contains(warnings[0].Err.Error(), "Callers turned away") {
			t.Errorf("warnings %+v", warnings)
		}
	})
}

func TestTheIntervalIsWhatIsConfigured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := ofHealth()
		_, _, m := open(t, connector.Config{Connector: &engine{}, MaxConns: 2, Observer: told}, health.Config{Interval: 5 * time.Second})
		m.Start()
		m.Start() // changes nothing
		time.Sleep(time.Minute + time.Second/2)
		if n := len(told.take(lifecycle.KindHealthCheck)); n != 13 {
			t.Errorf("told %d times in a minute", n)
		}
	})
}

func TestNothingRunsBeforeStartAndNothingAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, told := &engine{takes: time.Second}, ofHealth()
		_, pool, m := open(t, connector.Config{Connector: e, MaxConns: 2, Observer: told}, health.Config{Interval: time.Second})
		time.Sleep(time.Minute)
		if e.pinged() != 0 || len(told.take(lifecycle.KindHealthCheck)) != 0 {
			t.Error("something was done before Start")
		}
		m.Start()
		time.Sleep(time.Second / 2) // a probe is under way
		began := time.Now()
		m.Close()
		if took := time.Since(began); took != 0 {
			t.Errorf("Close waited %s for the probe", took)
		}
		if n := pool.Stats().InUseConns; n != 0 {
			t.Errorf("%d connections are in use after Close", n)
		}
		pinged := e.pinged()
		m.Close()
		m.Start()
		time.Sleep(time.Minute)
		if e.pinged() != pinged || len(told.take(lifecycle.KindHealthCheck)) != 0 {
			t.Error("something was done after Close")
		}
		if r := m.Report(); r.Pool != "poolsql" || r.Stats.Pool.MaxConnections != 2 {
			t.Errorf("a report after Close: %+v", r)
		}
	})
}

func TestAMonitorEndsWithItsPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails when something of the monitor goes on
		told := ofHealth()
		pool := connector.NewConnector(connector.Config{Connector: &engine{}, MaxConns: 2, Observer: told})
		m, err := health.New(pool, health.Config{})
		if err != nil {
			t.Fatal(err)
		}
		m.Start()
		time.Sleep(10 * time.Second)
		told.take(lifecycle.KindHealthCheck)
		if err := pool.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := len(told.take(lifecycle.KindHealthCheck)); n != 1 {
			t.Errorf("told %d times after the end of the pool, want once", n)
		}
		if r := m.Report(); r.Ready || r.NotReady != "closed" && r.NotReady != "draining" {
			t.Errorf("ready %t (%s)", r.Ready, r.NotReady)
		}
	})
}

func TestAPoolThatWasShutBeforeIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := connector.NewConnector(connector.Config{Connector: &engine{}, MaxConns: 2})
		pool.Close()
		m, err := health.New(pool, health.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if r := m.Report(); r.Ready || r.NotReady != "closed" {
			t.Errorf("ready %t (%s)", r.Ready, r.NotReady)
		}
	})
}

func TestABadConfigurationIsToldWithEachFault(t *testing.T) {
	pool := connector.NewConnector(connector.Config{Connector: &engine{}})
	for _, c := range []struct {
		cfg  health.Config
		want string
	}{
		{health.Config{Interval: -1}, "Interval"}, {health.Config{Interval: time.Millisecond}, "Interval"},
		{health.Config{Window: time.Second}, "Window"}, {health.Config{Window: time.Hour}, "Window"},
		{health.Config{Dwell: -1}, "Dwell"}, {health.Config{WaitTarget: -1}, "WaitTarget"},
		{health.Config{ProbeTimeout: -1, Window: -1}, "Window is -1ns: must be at least 10s\nProbeTimeout"},
	} {
		if _, err := health.New(pool, c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want an error about %s", c.cfg, err, c.want)
		}
	}
	if _, err := health.New(nil, health.Config{}); err == nil {
		t.Error("no pool was taken for one")
	}
	if _, err := health.New(connector.NewConnector(connector.Config{}), health.Config{}); err == nil {
		t.Error("a pool without a configuration was taken for one")
	}
	if m, err := health.New(pool, health.Config{}); err != nil {
		t.Error(err)
	} else if m.Close(); m.Pool() != pool {
		t.Error("another pool")
	}
}

func TestThresholdsHaveDefaultsAndCanBeSet(t *testing.T) {
	warned := func(t *testing.T, thresholds health.Thresholds) string {
		var all string
		synctest.Test(t, func(t *testing.T) {
			e := &engine{takes: 200 * time.Millisecond}
			db, _, m := open(t, connector.Config{Connector: e, MaxConns: 1}, health.Config{Thresholds: thresholds, NoProbe: true})
			e.set(func(e *engine) { e.fails = errors.New("no") })
			stop := work(t, db, 12, time.Nanosecond, "select")
			time.Sleep(50 * time.Millisecond)
			m.Start()
			time.Sleep(30 * time.Second)
			all = strings.Join(m.Report().Warnings, "\n")
			stop()
		})
		return all
	}
	all := warned(t, health.Thresholds{})
	for _, want := range []string{
		"High connection utilization: 100.0% of at most 1", "High waiting queue: 11 requests", "Slow connection acquisition: 2",
		"High error rate: ",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("not warned of %q:\n%s", want, all)
		}
	}
	if all := warned(t, health.Thresholds{Utilization: -1, Waiting: 11, Wait: time.Minute, ErrorRate: 100}); all != "" {
		t.Errorf("warned above higher thresholds:\n%s", all)
	}
}

func TestReportsMayBeAskedForByMany(t *testing.T) {
	db, pool, m := open(t, connector.Config{Connector: &engine{takes: 100 * time.Microsecond}, MaxConns: 4}, health.Config{Interval: time.Second})
	m.Start()
	stop := work(t, db, 8, 0, "select")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				r := m.Report()
				if r.Stats.Pool.TotalConnections > 4 || r.UtilizationPercent < 0 || r.UtilizationPercent > 100 || r.Score < 0 || r.Score > 100 {
					t.Errorf("report %+v", r)
				}
				_ = m.History()
			}
		})
	}
	wg.Wait()
	stop()
	m.Close()
	if s := pool.Stats(); s.InUseConns != 0 || s.AcquireCount != s.ReleaseCount {
		t.Errorf("%d in use, %d lent, %d back", s.InUseConns, s.AcquireCount, s.ReleaseCount)
	}
}
