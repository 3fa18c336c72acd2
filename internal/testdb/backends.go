package testdb

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"
)

// sideApplication is the application_name of connections that testdb makes for
// itself.
const sideApplication = "poolsql-testdb"

// Backend is a client's session, as pg_stat_activity has it.
type Backend struct {
	PID         uint32
	Application string // application_name
	State       string // such as "active", "idle", "idle in transaction"; "starting" where there is none yet
	Database    string // empty while the session begins
}

// Backends lists the sessions of clients on all databases of the server, the
// oldest first. It uses a connection of its own, and leaves out those that
// testdb uses. A session is listed until its process has ended, which is a
// little after its client has closed it.
func (s *Server) Backends(ctx context.Context) ([]Backend, error) {
	var list []Backend
	err := s.admin(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `
			select pid, application_name, coalesce(state, 'starting'), coalesce(datname, '')
			from pg_stat_activity
			where backend_type = 'client backend' and application_name <> $1
			order by backend_start, pid`, sideApplication)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Backend])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("testdb: list the backends: %w", err)
	}
	return list, nil
}

// KillBackend kills a process of the server, as kill -9 or a lack of memory
// would, and returns once the server has noticed: from then on nobody can
// connect until it has recovered; see WaitReady. PostgreSQL ends all other
// sessions too (SQLSTATE 57P02), since the process may have left shared memory
// in disorder, and recovers as after a crash.
//
// As after any crash, commits of the last moments are lost though they were
// acknowledged: our servers run with "synchronous_commit = off". A test that
// counts on them gives Private the setting "synchronous_commit = on".
//
// The process must be a child of this server's: for any other an error is
// returned, and nothing is killed. Only a server that Private, Replicated or
// Start started can be treated so, and not on Windows.
func (s *Server) KillBackend(ctx context.Context, pid uint32) error {
	return s.exclusively(ctx, func(c *cluster) error {
		if c.postgres == nil {
			return errStopped
		}
		if pid == 0 || pid > math.MaxInt32 {
			return fmt.Errorf("%d is no process id", pid)
		}
		return killChild(ctx, c.postgres.cmd.Process.Pid, int(pid))
	})
}

// WaitReady returns when a session on the server can begin: after a crash, or
// when others have used up its connections. On a server that is stopped it fails
// at once. It waits 30 seconds at most.
func (s *Server) WaitReady(ctx context.Context) error {
	var last error
	err := await(ctx, func(ctx context.Context) (bool, error) {
		if s.stopped() {
			return false, errStopped
		}
		err := s.admin(ctx, func(*pgx.Conn) error { return nil })
		if err != nil && ctx.Err() == nil {
			last = err
		}
		return err == nil, nil
	})
	if err != nil {
		return fmt.Errorf("testdb: wait for the server to be ready: %w", errors.Join(err, last))
	}
	return nil
}
