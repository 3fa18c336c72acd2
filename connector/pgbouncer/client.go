package pgbouncer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// DefaultTimeout is how long a call may take, connecting included, whatever its context allows.
const DefaultTimeout = 5 * time.Second

// A Client reads the console of one PgBouncer. It keeps a connection from its first call on, and opens another when that is
// lost. Safe for concurrent use: calls wait for each other.
type Client struct {
	cfg     *pgconn.Config
	timeout time.Duration

	// turn holds one value while a call is under way, which then has what follows. It is no mutex, as that is I/O.
	turn   chan struct{}
	conn   *pgconn.PgConn
	closed bool
}

// ErrClosed is matched by the error of a call after Close.
var ErrClosed = errors.New("the client is closed")

// New returns a client for the console that dsn leads to: a URL or keywords and values, as pgx reads them. Whatever database
// it names, the one that is called pgbouncer is taken, which is the console. It does not connect. No error holds any of dsn.
func New(dsn string) (*Client, error) {
	cfg, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("pgbouncer: the DSN of the console does not parse") // the error may quote any of it
	}
	return NewConfig(cfg), nil
}

// NewConfig is New for a configuration, made by pgconn.ParseConfig, which is copied.
func NewConfig(cfg *pgconn.Config) *Client {
	cfg = cfg.Copy()
	cfg.Database = "pgbouncer"
	maps.DeleteFunc(cfg.RuntimeParams, func(name, _ string) bool { return name != "application_name" })
	cfg.ValidateConnect, cfg.AfterConnect = nil, nil // they would ask what the console does not know
	return &Client{cfg: cfg, timeout: DefaultTimeout, turn: make(chan struct{}, 1)}
}

// Close closes the connection, if there is one. Calls under way are waited for; those that come later fail with ErrClosed.
func (c *Client) Close() error {
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	c.closed = true
	return c.disconnect()
}

// errNoCancel refuses pgconn's request to cancel a SHOW that was given up: a console has nothing to cancel, and one that hangs
// would be dialed once more.
var errNoCancel = errors.New("a SHOW is not canceled")

func (c *Client) disconnect() error {
	conn := c.conn
	c.conn = nil
	if conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return conn.Close(ctx)
}

// show runs a SHOW and returns its rows. A kept connection that turns out to be lost is replaced once.
func (c *Client) show(ctx context.Context, what string) (*table, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	t, err := c.inTurn(ctx, what)
	if err != nil {
		return nil, fmt.Errorf("pgbouncer: SHOW %s: %w", what, err)
	}
	return t, nil
}

func (c *Client) inTurn(ctx context.Context, what string) (*table, error) {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-c.turn }()
	if c.closed {
		return nil, ErrClosed
	}
	kept := c.conn != nil
	t, err := c.ask(ctx, what)
	if err != nil && kept && c.conn == nil && ctx.Err() == nil {
		t, err = c.ask(ctx, what)
	}
	return t, err
}

// ask asks on the connection, and drops it if it was lost.
func (c *Client) ask(ctx context.Context, what string) (*table, error) {
	if c.conn == nil {
		cfg, connected := c.cfg.Copy(), new(atomic.Bool)
		dial := cfg.DialFunc
		cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if connected.Load() {
				return nil, errNoCancel
			}
			return dial(ctx, network, addr)
		}
		conn, err := pgconn.ConnectConfig(ctx, cfg)
		if err != nil {
			return nil, err
		}
		connected.Store(true)
		c.conn = conn
	}
	results, err := c.conn.Exec(ctx, "SHOW "+what).ReadAll()
	if c.conn.IsClosed() {
		_ = c.conn.Conn().Close() // else pgconn waits on a goroutine, for 15 seconds, for what is in flight
		<-c.conn.CleanupDone()
		c.conn = nil
	}
	if err != nil {
		return nil, err
	}
	if len(results) != 1 {
		return nil, fmt.Errorf("%d results for one: this is no PgBouncer", len(results))
	}
	t := &table{columns: make(map[string]int, len(results[0].FieldDescriptions)), rows: results[0].Rows}
	for i, f := range results[0].FieldDescriptions {
		t.columns[f.Name] = i
	}
	return t, nil
}
