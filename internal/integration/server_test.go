package integration_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql/internal/testdb"
)

func TestTransfersSurviveTerminateStorm(t *testing.T) {
	r := newRig(t, false, nil)
	r.begin()
	conn := r.side(t.Context())
	defer conn.Close(t.Context())
	killed := 0
	r.last(20*time.Millisecond, func(int) {
		var n int
		err := conn.QueryRow(t.Context(), `select count(pg_terminate_backend(pid)) from pg_stat_activity
			where application_name = $1 and random() < 0.3`, application).Scan(&n)
		if err != nil {
			t.Error(err)
		}
		killed += n
	})
	t.Logf("%d sessions terminated", killed)
	r.healed()
	wantUnknown(t, r.settle())
}

func TestTransfersSurviveKillNineOfABackend(t *testing.T) {
	r := newRig(t, false, nil)
	r.begin()
	over := time.Now().Add(faultTime(t))
	for n := 0; n == 0 || time.Now().Before(over); n++ {
		sessions := r.sessions()
		if len(sessions) == 0 {
			t.Fatal("the pool has no session on the server")
		}
		if err := r.server.KillBackend(t.Context(), sessions[rand.IntN(len(sessions))].PID); err != nil {
			t.Fatal(err)
		}
		if err := r.server.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.healed()
	}
	r.settle()
	wantReplaced(t, r)
}

func TestTransfersSurviveFastRestart(t *testing.T) { restart(t, testdb.Fast) }

func TestTransfersSurviveImmediateRestart(t *testing.T) { restart(t, testdb.Immediate) }

// restart lets the server be away for most of the fault.
func restart(t *testing.T, mode testdb.StopMode) {
	r := newRig(t, false, nil)
	r.begin()
	if err := r.server.Stop(t.Context(), mode); err != nil {
		t.Fatal(err)
	}
	r.pass()
	if err := r.server.Restart(t.Context(), mode); err != nil {
		t.Fatal(err)
	}
	r.healed()
	r.settle()
	wantReplaced(t, r)
}

// The server lets in fewer than the pool may have, and somebody else takes most of these. The pool then lives with what it
// has, down to nothing.
func TestTransfersSurviveFullServer(t *testing.T) {
	r := newRig(t, false, nil, "max_connections = 12", "superuser_reserved_connections = 3")
	r.begin()
	before := r.pool.Stats().ConnectErrorCount
	hogs := r.hog()
	r.last(50*time.Millisecond, func(n int) {
		if n%10 == 9 { // give one place back, now and then
			hogs[0].Close(t.Context())
			hogs = hogs[1:]
			hogs = append(hogs, r.hog()...)
		}
	})
	s := r.pool.Stats()
	if s.ConnectErrorCount == before {
		t.Errorf("the pool was never turned away by the server: %+v", s)
	}
	for _, conn := range hogs {
		conn.Close(t.Context())
	}
	r.healed()
	r.settle()
}

// hog takes every place that the server has, those of the pool included, until the pool has two left.
func (r *rig) hog() (hogs []*pgx.Conn) {
	r.t.Helper()
	ctx := r.t.Context()
	conn := r.side(ctx)
	defer conn.Close(ctx)
	dsn := r.hogDSN()
	for range 200 {
		hog, err := pgx.Connect(ctx, dsn)
		var full *pgconn.PgError
		switch {
		case err == nil:
			hogs = append(hogs, hog)
			continue
		case !errors.As(err, &full) || full.Code != "53300":
			r.t.Fatal(err)
		}
		var n int
		err = conn.QueryRow(ctx, `select count(*) from pg_stat_activity where application_name = $1`, application).Scan(&n)
		if err != nil {
			r.t.Fatal(err)
		}
		if n <= 2 {
			return hogs
		}
		_, err = conn.Exec(ctx, `select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 limit 1`, application)
		if err != nil {
			r.t.Fatal(err)
		}
	}
	return hogs
}

// hogDSN is the way to the server as the pool has it, under another name.
func (r *rig) hogDSN() string {
	u, err := url.Parse(r.poolDSN)
	if err != nil {
		r.t.Fatal(err)
	}
	q := u.Query()
	q.Set("application_name", "hog")
	u.RawQuery = q.Encode()
	return u.String()
}

// diskFull makes a part of all transfers fail for want of space, when they are written or only when they are committed.
const diskFull = `
	create table space (short bool not null);
	insert into space values (false);
	create function extend() returns trigger language plpgsql as $$
	begin
		if random() < 0.2 and (select short from space) then
			raise exception 'could not extend file: No space left on device' using errcode = 'disk_full';
		end if;
		return null;
	end $$;
	create trigger extend after insert on transfers for each row execute function extend();
	create constraint trigger extend_late after insert on transfers deferrable initially deferred
		for each row execute function extend();
	grant select on space to public`

func TestTransfersSurviveDiskFull(t *testing.T) {
	r := newRig(t, false, nil)
	ctx := t.Context()
	conn := r.side(ctx)
	defer conn.Close(context.Background())
	if _, err := conn.Exec(ctx, diskFull); err != nil {
		t.Fatal(err)
	}
	r.begin()
	for _, short := range []bool{true, false} {
		if _, err := conn.Exec(ctx, "update space set short = $1", short); err != nil {
			t.Fatal(err)
		}
		if short {
			r.pass()
		}
	}
	r.healed()
	j := r.settle()
	if j.Answered("53100") == 0 {
		t.Errorf("nobody was told that the disk is full: %s", j)
	}
	if opened := r.pool.Stats().NewConnsCount; opened > 4*maxConns {
		t.Errorf("%d connections opened: an error of a statement is none of the connection", opened)
	}
}
