package health_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/health"
	"github.com/poolsql/poolsql/lifecycle"
)

func TestWorkIsProofEnoughAndNothingIsProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{takes: time.Millisecond}
		db, _, m := open(t, connector.Config{Connector: e, MaxConns: 2}, health.Config{Interval: 10 * time.Second})
		defer work(t, db, 1, 5*time.Second, "select")()
		time.Sleep(time.Millisecond / 2)
		m.Start()
		synctest.Wait()
		first := e.pinged() // nothing has been seen to succeed yet
		time.Sleep(5 * time.Minute)
		if got := e.pinged(); first != 1 || got != first {
			t.Errorf("%d probes at the start and %d in five minutes of work, want 1 and none", first, got-first)
		}
		if d := m.Report().Database; d.State != "up" || d.By != "work" {
			t.Errorf("database %+v", d)
		}
	})
}

func TestAnIdlePoolIsProbedOnceAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{takes: 3 * time.Millisecond}
		_, pool, m := open(t, connector.Config{Connector: e, MaxConns: 2}, health.Config{Interval: 10 * time.Second})
		m.Start()
		time.Sleep(time.Minute + time.Second/2)
		if got := e.pinged(); got != 7 {
			t.Errorf("%d probes in a minute, want one at the start and one each ten seconds", got)
		}
		d := m.Report().Database
		if d.State != "up" || d.By != "probe" || !near(d.ProbeMs, 3) {
			t.Errorf("database %+v", d)
		}
		if got := pool.Stats().NewConnsCount; got != 1 {
			t.Errorf("%d connections were opened to probe", got)
		}
	})
}

func TestNoProbeIsNoProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{down: io.ErrUnexpectedEOF}
		_, pool, m := open(t, connector.Config{Connector: e, MaxConns: 2}, health.Config{NoProbe: true})
		m.Start()
		time.Sleep(5 * time.Minute)
		if r := m.Report(); e.pinged() != 0 || pool.Stats().AcquireCount != 0 || !r.Ready {
			t.Errorf("%d probes, ready %t: %s", e.pinged(), r.Ready, r.NotReady)
		}
	})
}

// The database of an idle pool stops, and comes back.
func TestADatabaseThatStopsIsFoundWithinAnIntervalAndItsReturnWithinSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, told := &engine{}, ofHealth()
		_, _, m := open(t, connector.Config{Connector: e, MaxConns: 2, Observer: told}, health.Config{})
		m.Start()
		time.Sleep(45 * time.Second)
		refused := &netError{syscall.ECONNREFUSED}
		e.set(func(e *engine) { e.down, e.connects = refused, refused })
		time.Sleep(30 * time.Second)
		r := m.Report()
		if r.Status != health.Unhealthy || r.Ready || r.Score != 0 || r.Database.State != "down" || r.Database.Failure != "connection refused" {
			t.Errorf("%s, ready %t, score %d, database %+v", r.Status, r.Ready, r.Score, r.Database)
		}
		if !strings.HasPrefix(r.NotReady, "unhealthy: ") || len(r.Warnings) == 0 || !strings.HasPrefix(r.Warnings[0], "Database does not answer") {
			t.Errorf("not ready: %q, warnings %q", r.NotReady, r.Warnings)
		}
		failed := told.take(lifecycle.KindHealthError)
		if len(failed) < 2 || failed[0].Err.Error() != "health: the database does not answer (1 probe): connection refused" {
			t.Errorf("told %v", failed)
		}
		for _, w := range told.take(lifecycle.KindHealthWarning) {
			if w.Err == nil || w.Pool != "poolsql" {
				t.Errorf("told %+v", w)
			}
		}
		time.Sleep(5 * time.Minute)
		e.set(func(e *engine) { e.down, e.connects = nil, nil })
		time.Sleep(3 * time.Second)
		if r := m.Report(); r.Status != health.Healthy || !r.Ready || r.Window.Seconds > 5 || r.Database.State != "up" {
			t.Errorf("three seconds after its return: %s, score %d (%+v), window %+v", r.Status, r.Score, r.Reasons, r.Window)
		}
	})
}

// The same under load: callers notice at once, and so does the monitor, long before the interval is over. What failed meanwhile
// is not held against what comes after.
func TestADatabaseThatStopsUnderLoadIsFoundWithinSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{takes: 10 * time.Millisecond}
		db, _, m := open(t, connector.Config{Connector: e, MaxConns: 4}, health.Config{Interval: 10 * time.Minute})
		m.Start()
		defer work(t, db, 4, 10*time.Millisecond, "select")()
		time.Sleep(45 * time.Second)
		e.set(func(e *engine) { e.down, e.connects = io.ErrUnexpectedEOF, syscall.ECONNREFUSED })
		time.Sleep(6 * time.Second)
		if r := m.Report(); r.Status != health.Unhealthy || r.Ready {
			t.Errorf("after six seconds: %s, score %d (%+v), database %+v", r.Status, r.Score, r.Reasons, r.Database)
		}
		time.Sleep(time.Minute)
		e.set(func(e *engine) { e.down, e.connects = nil, nil })
		time.Sleep(5 * time.Second)
		if r := m.Report(); r.Status != health.Healthy || !r.Ready {
			t.Errorf("five seconds after its return: %s, score %d (%+v), database %+v", r.Status, r.Score, r.Reasons, r.Database)
		}
	})
}

func TestAPoolThatIsFullOfSlowWorkIsBusyAndNotDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, told := &engine{}, ofHealth()
		db, pool, m := open(t, connector.Config{Connector: e, MaxConns: 2, Observer: told}, health.Config{Interval: 10 * time.Second})
		var conns []interface{ Close() error }
		for range 2 {
			conn, err := db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.ExecContext(t.Context(), "hold"); err != nil {
				t.Fatal(err)
			}
			conns = append(conns, conn)
		}
		m.Start()
		time.Sleep(5 * time.Minute)
		r := m.Report()
		if r.Status != health.Healthy || !r.Ready || r.Database.State != "busy" || r.Database.Failures != 0 {
			t.Errorf("%s, ready %t, database %+v, reasons %+v", r.Status, r.Ready, r.Database, r.Reasons)
		}
		if r.Window.Refused != 0 || r.Window.WaitP99Ms != 0 {
			t.Errorf("the probes count as callers who were turned away: %+v", r.Window)
		}
		if s := pool.Stats(); s.NewConnsCount != 2 || s.RefusedCount < 25 {
			t.Errorf("%d connections opened, %d probes turned away", s.NewConnsCount, s.RefusedCount)
		}
		if e.pinged() != 0 || len(told.take(lifecycle.KindHealthError)) != 0 {
			t.Error("a probe reached the database, or failed")
		}
		for _, c := range conns {
			c.Close()
		}
		time.Sleep(15 * time.Second)
		if d := m.Report().Database; d.State != "up" {
			t.Errorf("database %+v", d)
		}
	})
}

func TestADatabaseThatHangsIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{}
		_, _, m := open(t, connector.Config{Connector: e, MaxConns: 2}, health.Config{Interval: 10 * time.Second, ProbeTimeout: time.Second})
		m.Start()
		time.Sleep(5 * time.Second)
		e.set(func(e *engine) { e.hangs = true })
		time.Sleep(10 * time.Second)
		if r := m.Report(); r.Status != health.Unhealthy || r.Database.Failure != "no answer in time" {
			t.Errorf("%s, database %+v", r.Status, r.Database)
		}
		e.set(func(e *engine) { e.hangs = false })
	})
}

func TestASuspendedPoolIsNotProbedAndNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{}
		_, pool, m := open(t, connector.Config{Connector: e, MaxConns: 2}, health.Config{Interval: 5 * time.Second})
		m.Start()
		time.Sleep(time.Second)
		pool.Suspend()
		time.Sleep(time.Minute)
		r := m.Report()
		if r.Ready || r.NotReady != "suspended" || r.Status != health.Healthy || e.pinged() != 1 {
			t.Errorf("ready %t (%s), %s, %d probes", r.Ready, r.NotReady, r.Status, e.pinged())
		}
		pool.Resume()
		time.Sleep(6 * time.Second)
		if r := m.Report(); !r.Ready || e.pinged() < 2 {
			t.Errorf("resumed: ready %t (%s), %d probes", r.Ready, r.NotReady, e.pinged())
		}
	})
}

func TestNobodyIsReadyBeforeTheDatabaseHasAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &engine{takes: time.Second}
		_, _, m := open(t, connector.Config{Connector: e, MaxConns: 2}, health.Config{})
		m.Start()
		synctest.Wait()
		if r := m.Report(); r.Ready || r.NotReady != "not judged yet" {
			t.Errorf("ready %t (%s) while the first probe is under way", r.Ready, r.NotReady)
		}
		time.Sleep(time.Second + time.Millisecond)
		if r := m.Report(); !r.Ready {
			t.Errorf("not ready afterwards: %s", r.NotReady)
		}
	})
}

func TestADatabaseThatIsAwayFromTheStartIsNeverReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := &netError{syscall.ECONNREFUSED}
		e := &engine{connects: refused, down: refused}
		_, _, m := open(t, connector.Config{Connector: e, MaxConns: 2}, health.Config{})
		m.Start()
		time.Sleep(time.Second / 2)
		if r := m.Report(); r.Database.Failures != 1 || r.Ready || r.NotReady != "the database has not answered yet" {
			t.Errorf("after %d probes: ready %t (%s)", r.Database.Failures, r.Ready, r.NotReady)
		}
		for range 20 {
			time.Sleep(time.Second / 2)
			if m.Report().Ready {
				t.Fatal("ready meanwhile")
			}
		}
		e.set(func(e *engine) { e.connects, e.down = nil, nil })
		time.Sleep(15 * time.Second)
		if r := m.Report(); !r.Ready {
			t.Errorf("not ready when it is there: %s", r.NotReady)
		}
	})
}

// A limited is an engine that has room for so many connections.
type limited struct {
	*engine
	room atomic.Int64
}

func (l *limited) Connect(ctx context.Context) (driver.Conn, error) {
	if l.room.Add(-1) < 0 {
		return nil, &pgconn.PgError{Code: "53300", Message: "sorry, too many clients already"}
	}
	return l.engine.Connect(ctx)
}

// The connections that there are serve, slowly; the server has no room for more. That is load, of all processes together, and
// none of them is better than the others.
func TestAServerWithoutRoomForMoreIsBusyAndNotDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &limited{engine: &engine{}}
		e.room.Store(2)
		db, _, m := open(t, connector.Config{Connector: e, MaxConns: 4, AcquireTimeout: time.Hour}, health.Config{})
		m.Start()
		synctest.Wait() // else the first probe may come to stand behind those who hold both connections for 20 s
		defer work(t, db, 6, time.Millisecond, "20s")()
		for range 90 {
			time.Sleep(time.Second)
			if r := m.Report(); !r.Ready || r.Database.Failures != 0 {
				t.Fatalf("ready %t (%s), database %+v", r.Ready, r.NotReady, r.Database)
			}
		}
		if r := m.Report(); r.Status != health.Degraded || r.Window.ConnectErrors == 0 {
			t.Errorf("%s, %d attempts to connect failed", r.Status, r.Window.ConnectErrors)
		}
	})
}

// Nothing is told of what a server said, whatever it says.
func TestWhatAServerSaysIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, told := &engine{}, ofHealth()
		secret := errors.New(`password authentication failed for user "s3cret"`)
		_, _, m := open(t, connector.Config{Connector: e, MaxConns: 2, Observer: told}, health.Config{})
		e.set(func(e *engine) { e.down, e.connects = secret, secret })
		m.Start()
		time.Sleep(time.Minute)
		r := m.Report()
		if r.Database.State != "down" || strings.Contains(r.Database.Failure+strings.Join(r.Warnings, ""), "s3cret") {
			t.Errorf("database %+v, warnings %q", r.Database, r.Warnings)
		}
		for _, k := range []lifecycle.Kind{lifecycle.KindHealthError, lifecycle.KindHealthWarning} {
			all := told.take(k)
			for _, e := range all {
				if strings.Contains(e.Err.Error(), "s3cret") {
					t.Errorf("told %v", e.Err)
				}
			}
			if len(all) == 0 {
				t.Errorf("nothing was told of %s", k)
			}
		}
	})
}

type netError struct{ error }

func (e *netError) Unwrap() error { return e.error }
func (e *netError) Timeout() bool { return false }
