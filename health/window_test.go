package health_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/health"
	"github.com/poolsql/poolsql/priority"
)

// near reports whether got is want, but for a small part of it.
func near(got, want float64) bool { return math.Abs(got-want) <= 0.02*math.Abs(want)+0.01 }

func TestRatesAreThoseOfTheWindowAndNotOfAllTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{takes: 10 * time.Millisecond, fails: errors.New("no")}
		db, pool, m := open(t, connector.Config{Connector: e, MaxConns: 4}, health.Config{})
		m.Start()
		stop := work(t, db, 2, 90*time.Millisecond, "insert") // 20 a second, and all of them fail
		time.Sleep(90 * time.Second)
		e.set(func(e *engine) { e.fails = nil })
		time.Sleep(30 * time.Second)
		w := m.Report().Window
		if !near(w.Seconds, 60) || !near(w.QueriesPerSecond, 20) || !near(w.AcquiredPerSecond, 20) || !near(w.ErrorRatePercent, 50) {
			t.Errorf("after half a window without errors: %+v", w)
		}
		if !near(w.AvgQueryMs, 10) || !near(w.AvgUseMs, 10) || w.WaitP99Ms != 0 {
			t.Errorf("times %+v, want 10 ms of use, and no wait", w)
		}
		time.Sleep(31 * time.Second)
		r := m.Report()
		if r.ErrorRate != 0 || r.Window.Errors != 0 || r.Stats.Pool.ErrorCount < 1700 {
			t.Errorf("after a whole one: error rate %v, %d errors in the window, %d of all time", r.ErrorRate, r.Window.Errors,
				r.Stats.Pool.ErrorCount)
		}
		stop()
		time.Sleep(61 * time.Second)
		if w := m.Report().Window; w.Queries > 1 || w.AcquiredPerSecond > 0.02 || w.UtilizationPercent > 0.01 { // a probe may be in it
			t.Errorf("after a minute of nothing: %+v", w)
		}
		_ = pool
	})
}

func TestUtilizationIsOfTheMaximumAndNotOfWhatIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, pool, m := open(t, connector.Config{Connector: &engine{}, MaxConns: 10}, health.Config{NoProbe: true})
		m.Start()
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.ExecContext(t.Context(), "hold"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		r := m.Report()
		if r.TotalConnections != 1 || !near(r.UtilizationPercent, 10) {
			t.Errorf("%d open and in use of 10: %.1f %%", r.TotalConnections, r.UtilizationPercent)
		}
		if len(r.Warnings) != 0 || r.Score != 100 {
			t.Errorf("score %d, warnings %q", r.Score, r.Warnings)
		}
		if !near(r.Window.LongestHeldMs, 60e3) {
			t.Errorf("the longest is held for %v ms", r.Window.LongestHeldMs)
		}
		conn.Close()
		// What was held for a minute shows when it comes back as a minute of use, and must not as a minute of one second.
		time.Sleep(30 * time.Second)
		if got := m.Report().UtilizationPercent; !near(got, 5) {
			t.Errorf("half a minute later %.2f %%, want 5", got)
		}
		// A maximum that changes counts for the time that it was in force: ten seconds of one in ten, ten of one in two.
		if err := pool.Resize(0, 2); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		defer work(t, db, 1, time.Nanosecond, "hold")()
	})
}

func TestAFullPoolIsAWarningAndIsHealthy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, _, m := open(t, connector.Config{Connector: &engine{takes: 50 * time.Millisecond}, MaxConns: 2}, health.Config{})
		m.Start()
		defer work(t, db, 2, time.Microsecond, "select")()
		time.Sleep(2 * time.Minute)
		r := m.Report()
		if !near(r.UtilizationPercent, 100) || r.Score != 95 || r.Status != health.Healthy || !r.Ready {
			t.Errorf("utilization %.1f %%, score %d, %s, ready %t; want 100, 95, healthy, true", r.UtilizationPercent, r.Score, r.Status, r.Ready)
		}
		if len(r.Warnings) != 1 || r.Warnings[0] != "High connection utilization: 100.0% of at most 2" {
			t.Errorf("warnings %q", r.Warnings)
		}
		if len(r.Reasons) != 1 || r.Reasons[0].Text != "100 % of 2 connections in use: -5" {
			t.Errorf("reasons %+v", r.Reasons)
		}
	})
}

func TestALimitInFrontOfThePoolIsAWarning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, pool, m := open(t, connector.Config{Connector: &engine{takes: time.Millisecond}, MaxConns: 2}, health.Config{})
		m.Start()
		if found, err := connector.FromDB(db); found != pool || err != nil {
			t.Fatalf("found %v, %v", found, err)
		}
		defer work(t, db, 1, time.Second, "select")()
		time.Sleep(time.Minute)
		if r := m.Report(); len(r.Warnings) != 0 {
			t.Errorf("warnings %q before", r.Warnings)
		}
		db.SetMaxOpenConns(5)
		time.Sleep(time.Minute)
		if r := m.Report(); len(r.Warnings) != 1 || !strings.HasPrefix(r.Warnings[0], "SetMaxOpenConns(5) was called") || r.Status != health.Healthy {
			t.Errorf("warnings %q, %s", r.Warnings, r.Status)
		}
	})
}

func TestWaitsOfThoseWhoGaveUpAreInTheQuantiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, pool, m := open(t, connector.Config{Connector: &engine{takes: time.Second}, MaxConns: 1, AcquireTimeout: 4500 * time.Millisecond},
			health.Config{NoProbe: true})
		m.Start()
		time.Sleep(time.Second / 2)
		ctx := priority.WithClass(t.Context(), priority.High)
		for range 20 { // one is served after the other, and the last of them give up
			go func() { _, _ = db.ExecContext(ctx, "select") }()
		}
		synctest.Wait()
		if r := m.Report(); r.Stats.Queue.High != 19 || r.Stats.Pool.WaitingRequests != 19 {
			t.Errorf("queue %+v", r.Stats.Queue)
		}
		time.Sleep(7 * time.Second)
		w := m.Report().Window
		stats := pool.Stats()
		if w.Acquired != stats.AcquireCount || w.Refused != stats.RefusedCount || w.Timeouts != stats.TimeoutCount || w.Refused < 14 {
			t.Errorf("window %+v, stats %+v", w, stats)
		}
		if w.WaitP99Ms < 4000 || w.WaitP99Ms > 5100 {
			t.Errorf("p99 %v ms, want 4500 or an eighth less or more", w.WaitP99Ms)
		}
		if !near(w.AvgWaitMs, 2000) { // 0 to 4 seconds
			t.Errorf("average wait of who was served %v ms", w.AvgWaitMs)
		}
		if got := w.RefusedPercent; !near(got, 100*float64(w.Refused)/20) {
			t.Errorf("refused %v %%", got)
		}
	})
}

// Nobody listens to lendings as long as nobody waits. When somebody does, each wait counts as long as it was, and not as long as
// it was on average: two callers of a hundred wait for long here, and the average is a fiftieth of that.
func TestEachWaitIsHeardWhileThereAreWaitsAndNoLendingWhileThereAreNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, pool, m := open(t, connector.Config{Connector: &engine{}, MaxConns: 1}, health.Config{NoProbe: true})
		if err := pool.Warmup(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		m.Start()
		stop := work(t, db, 1, time.Millisecond, "1ms")
		time.Sleep(90 * time.Second)
		if w := m.Report().Window; m.Listens() || w.WaitP99Ms != 0 || w.Acquired < 20000 {
			t.Errorf("listens %t where nobody waits: %+v", m.Listens(), w)
		}
		stop()
		stops := []func(){
			work(t, db, 1, 100*time.Millisecond, "400ms"), work(t, db, 2, time.Millisecond, "1ms"),
		}
		time.Sleep(90 * time.Second)
		if w := m.Report().Window; !m.Listens() || w.WaitP99Ms < 350 || w.WaitP99Ms > 450 || w.WaitP50Ms > 2 || w.AvgWaitMs > 40 {
			t.Errorf("listens %t where callers wait: %+v", m.Listens(), w)
		}
		for _, stop := range stops {
			stop()
		}
		time.Sleep(57 * time.Second)
		if w := m.Report().Window; !m.Listens() || w.WaitP99Ms < 350 {
			t.Errorf("listens %t while waits are in the window: %+v", m.Listens(), w)
		}
		time.Sleep(8 * time.Second)
		if w := m.Report().Window; m.Listens() || w.WaitP99Ms != 0 {
			t.Errorf("listens %t when no wait is left in it: %+v", m.Listens(), w)
		}
	})
}

func TestWhoLeavesByHimselfDoesNotSpeakAgainstThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, pool, m := open(t, connector.Config{Connector: &engine{takes: 10 * time.Second}, MaxConns: 1}, health.Config{NoProbe: true})
		m.Start()
		go func() { _, _ = db.Exec("select") }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		for range 30 {
			go func() { _, _ = db.ExecContext(ctx, "select") }()
		}
		synctest.Wait()
		time.Sleep(50 * time.Millisecond)
		cancel()
		for range 3 {
			go func() { _, _ = db.Exec("select") }()
		}
		synctest.Wait()
		pool.Clear("deploying")
		time.Sleep(20 * time.Second)
		r := m.Report()
		if r.Stats.Pool.RefusedCount != 33 || r.Window.Refused != 0 {
			t.Errorf("%d turned away in all, %d against the pool", r.Stats.Pool.RefusedCount, r.Window.Refused)
		}
		for _, reason := range r.Reasons {
			if reason.Factor == "refused" || reason.Factor == "wait" {
				t.Errorf("reason %+v", reason)
			}
		}
	})
}

func TestALeakCountsUntilItComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, _, m := open(t, connector.Config{Connector: &engine{}, MaxConns: 4, LeakThreshold: 5 * time.Second}, health.Config{})
		m.Start()
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.ExecContext(t.Context(), "hold"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Minute)
		if r := m.Report(); r.Window.Leaked != 1 || r.Score != 90 || len(r.Reasons) != 1 || r.Reasons[0].Factor != "leaks" {
			t.Errorf("leaked %d, score %d, reasons %+v; want one that counts long after it was told", r.Window.Leaked, r.Score, r.Reasons)
		}
		conn.Close()
		time.Sleep(2 * time.Second)
		if r := m.Report(); r.Window.Leaked != 0 || r.Score != 100 {
			t.Errorf("after it came back: leaked %d, score %d", r.Window.Leaked, r.Score)
		}
	})
}

func TestHistoryHasAPointASecondAndForgetsAfterFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, _, m := open(t, connector.Config{Connector: &engine{takes: 100 * time.Millisecond}, MaxConns: 2}, health.Config{})
		m.Start()
		defer work(t, db, 1, 100*time.Millisecond, "select")()
		time.Sleep(10*time.Second + time.Millisecond)
		synctest.Wait()
		if h := m.History(); len(h) < 10 || len(h) > 11 {
			t.Errorf("%d points after ten seconds", len(h))
		}
		time.Sleep(6 * time.Minute)
		h := m.History()
		if len(h) != 300 {
			t.Fatalf("%d points, want 300", len(h))
		}
		for i, p := range h {
			if i > 0 && !p.At.After(h[i-1].At) {
				t.Fatalf("point %d is not after the one before", i)
			}
			if math.Abs(p.AcquiredPerSecond-5) > 1 || math.Abs(p.UtilizationPercent-25) > 6 || p.Score != 100 {
				t.Fatalf("point %d: %+v", i, p)
			}
		}
	})
}

func TestWithoutAStartAReportLooksByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{takes: 10 * time.Millisecond}
		db, _, m := open(t, connector.Config{Connector: e, MaxConns: 2}, health.Config{})
		if r := m.Report(); r.Status != health.Healthy || r.Database.State != "unknown" || !r.Ready {
			t.Errorf("%s, database %s, ready %t", r.Status, r.Database.State, r.Ready)
		}
		stop := work(t, db, 1, 90*time.Millisecond, "select")
		time.Sleep(20 * time.Second)
		stop()
		r := m.Report()
		if !near(r.Window.Seconds, 20) || !near(r.Window.QueriesPerSecond, 10) || r.Database.State != "up" || r.Database.By != "work" {
			t.Errorf("window %+v, database %+v", r.Window, r.Database)
		}
		if n := e.pinged(); n != 0 {
			t.Errorf("%d probes", n)
		}
	})
}
