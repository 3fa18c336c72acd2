package testdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/jackc/pgx/v5"
)

// Environment variables that say where the server comes from; see the package
// documentation for the order.
const (
	envDatabaseURL = "POOLSQL_TEST_DATABASE_URL"
	envPrograms    = "POOLSQL_TEST_POSTGRES"
	envRepository  = "POOLSQL_TEST_BINARY_REPOSITORY"
)

// Server is a running PostgreSQL: one that Start began and Close ends, or an
// existing one that the environment names. Safe for concurrent use.
type Server struct {
	name    string
	version int
	dsn     string
	tcpDSN  string
	cluster *cluster // nil when the server was there before us
	shared  bool     // ends with the test binary, and not before

	// turn holds one value while somebody starts, stops or closes the cluster.
	// It is no mutex, as that is I/O and waits for processes.
	turn chan struct{}

	mu sync.Mutex
	// mu guards everything that follows.

	databases map[string]bool // created here and not dropped yet
	closed    bool
}

// Start gives a PostgreSQL server, to be ended with Close. Each setting is a
// line of postgresql.conf, such as "max_connections = 20"; it comes after ours,
// so it wins.
//
// Without settings the server named by POOLSQL_TEST_DATABASE_URL is used, if
// there is one. With settings a server of its own is started, as those of a
// server that others use are not ours to change.
//
// The context bounds the start alone. On an error nothing is left running.
func Start(ctx context.Context, settings ...string) (*Server, error) {
	if dsn := os.Getenv(envDatabaseURL); dsn != "" && len(settings) == 0 {
		return useExisting(ctx, dsn)
	}
	return startOwn(ctx, settings)
}

func useExisting(ctx context.Context, dsn string) (*Server, error) {
	s := &Server{dsn: dsn, tcpDSN: dsn, turn: make(chan struct{}, 1), databases: map[string]bool{}}
	if err := s.identify(ctx, "the server of "+envDatabaseURL); err != nil {
		return nil, fmt.Errorf("testdb: use the server of %s: %w", envDatabaseURL, err)
	}
	return s, nil
}

func startOwn(ctx context.Context, settings []string) (*Server, error) {
	c, err := newCluster()
	if err != nil {
		return nil, fmt.Errorf("testdb: %w", err)
	}
	if err := c.create(ctx, settings); err != nil {
		return nil, fmt.Errorf("testdb: %w", errors.Join(err, c.close()))
	}
	s, err := serverOf(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("testdb: %w", errors.Join(err, c.close()))
	}
	return s, nil
}

// serverOf connects to a cluster that has been started.
func serverOf(ctx context.Context, c *cluster) (*Server, error) {
	s := &Server{
		dsn:       c.dsn("postgres"),
		tcpDSN:    c.tcpDSN("postgres"),
		cluster:   c,
		turn:      make(chan struct{}, 1),
		databases: map[string]bool{},
	}
	if err := s.identify(ctx, c.programs); err != nil {
		return nil, fmt.Errorf("connect to the new server: %w", err)
	}
	return s, nil
}

// identify connects, which also proves that the server answers.
func (s *Server) identify(ctx context.Context, origin string) error {
	var text string
	err := s.admin(ctx, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx,
			"select current_setting('server_version_num')::int, current_setting('server_version')",
		).Scan(&s.version, &text)
	})
	if err != nil {
		return err
	}
	s.name = fmt.Sprintf("PostgreSQL %s (%s)", text, origin)
	return nil
}

// DSN is the URL of an administrator on the server's maintenance database. It
// holds the password. Where Unix sockets exist, it goes through one.
func (s *Server) DSN() string { return s.dsn }

// TCPDSN is DSN through TCP on 127.0.0.1. For an existing server it is the DSN
// of the environment, whatever that goes through.
func (s *Server) TCPDSN() string { return s.tcpDSN }

// Name says which PostgreSQL this is and where it comes from, for the heading
// of a benchmark or an example. It holds no secret.
func (s *Server) Name() string { return s.name }

// Version is PostgreSQL's own number, such as 150008 for 15.8.
func (s *Server) Version() int { return s.version }

// Close ends the server and removes its folder. An existing server stays, and
// loses only the databases that were created here. A second call does nothing.
// The server that tests share cannot be closed.
func (s *Server) Close() error {
	if s.shared {
		return errShared
	}
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	names, ok := s.markClosed()
	if !ok {
		return nil
	}
	if s.cluster != nil {
		return s.cluster.close()
	}
	return s.dropAll(names)
}

// markClosed returns the databases that are left; ok is false the second time.
func (s *Server) markClosed() (names map[string]bool, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, false
	}
	names, s.databases = s.databases, nil
	s.closed = true
	return names, true
}

// admin runs f on a connection of its own: one that were kept would have to be
// guarded, mended after a restart, and explained to NoLeaks.
func (s *Server) admin(ctx context.Context, f func(*pgx.Conn) error) error {
	cfg, err := pgx.ParseConfig(s.dsn)
	if err != nil {
		return err
	}
	cfg.RuntimeParams["application_name"] = sideApplication
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	err = f(conn)
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}
