package pooldriver

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/poolsql/poolsql/internal/mono"
)

// A Conn is a physical connection. It belongs to the session that holds it; only what ConnStats reads may be read by
// others.
type Conn struct {
	inner     driver.Conn
	std       *stdlib.Conn // inner, if that is pgx's own; nil otherwise
	pg        *pgx.Conn    // std's; nil with it
	can       capabilities // of inner, if that is not pgx's own
	opts      *Options
	guard     *guard // nil where the pgx connection was opened without one
	stmts     stmtCache
	pid       uint32
	named     bool // statements are prepared by name, without being asked
	simple    bool // statements are sent by the simple protocol
	texts     bool // something is kept by the texts of statements, unless the call has a mode of its own
	describes bool // pgx keeps descriptions of statements that are not

	// Counted is its owner's mark, under its owner's lock, that its numbers have been added to the totals.
	Counted bool

	used   bool          // has served before
	spent  []driver.Stmt // of an inner driver other than pgx, to be closed before it serves again
	broken bool          // must not serve again
	raw    bool          // its holder has used pgx itself

	avoided map[string]struct{} // statements that are not prepared by name here any more: see avoid

	carried told   // of the settings that calls carry
	limits  limits // what the server lets a statement take at present
	unset   bool   // the holder has reset something, to what the server has and not Options.Settings

	// What snapshots read. The count of operations and the time they took are kept as what differs from the common case,
	// one operation a holder, so that this case pays for none of it.
	idleIn  atomic.Uint64 // the epoch of the lending in which no operation is under way at present
	began   atomic.Int64  // when the operation under way began, a mono.Time; 0 is with the lending
	extra   atomic.Int64  // operations, less lendings
	thought atomic.Int64  // how long holders held it between operations, in ns
	errors  atomic.Uint64

	// What the watchdog reads, in nanoseconds, 0 for none: the server's limit of a statement, and when the transaction has
	// to be over, a mono.Time.
	limit  atomic.Int64
	txEnds atomic.Int64
	inTx   atomic.Bool // a transaction is open
}

// Open connects by dial and makes a Conn of what that returns. If a hook fails, or panics, the connection is closed.
func Open(ctx context.Context, dial func(context.Context) (driver.Conn, error), opts *Options) (*Conn, error) {
	inner, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	c := &Conn{inner: inner, opts: opts}
	c.stmts.capacity = max(1, opts.StatementCacheCapacity)
	if std, ok := inner.(*stdlib.Conn); ok {
		c.std, c.pg = std, std.Conn()
		if opts.Pooler == NoPooler { // a pooler's numbers are no processes
			c.pid = c.pg.PgConn().PID()
		}
		cfg := c.pg.Config() // of the connection, and not of the pool: a hook may have changed it
		c.named = cfg.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement
		c.simple = cfg.DefaultQueryExecMode == pgx.QueryExecModeSimpleProtocol
		c.texts = c.named || cfg.DefaultQueryExecMode == pgx.QueryExecModeCacheDescribe
		c.describes = cfg.DescriptionCacheCapacity > 0
		c.guard = guardOf(c.pg.PgConn())
		if opts.Pooler.shared() {
			c.limits.init(0)
		} else {
			c.limits.init(opts.StatementTimeout)
			c.limits.set = opts.Settings != ""
			c.limit.Store(int64(opts.StatementTimeout))
		}
	} else {
		c.can = capabilitiesOf(inner)
	}
	if c.pg == nil || (opts.AfterConnect == nil && len(opts.Prewarm)+len(opts.PrewarmStatements) == 0 && opts.Settings == "") {
		return c, nil
	}
	ok := false
	defer func() {
		if !ok {
			_ = c.Close(ctx)
		}
	}()
	if err := c.prime(ctx); err != nil {
		return nil, err
	}
	ok = true
	return c, nil
}

// prime runs what the user wants to have run on a new connection.
func (c *Conn) prime(ctx context.Context) error {
	if c.opts.Settings != "" {
		if _, err := c.pg.Exec(ctx, c.opts.Settings, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("settings of a new connection: %w", err)
		}
	}
	if c.opts.AfterConnect != nil {
		if err := c.hook(ctx, c.opts.AfterConnect); err != nil {
			return fmt.Errorf("AfterConnect: %w", err)
		}
	}
	for i, sql := range c.opts.Prewarm {
		if _, err := c.pg.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("Prewarm[%d]: %w", i, err)
		}
	}
	if c.named {
		for i, sql := range c.opts.PrewarmStatements {
			if _, err := c.prepareNamed(ctx, sql); err != nil {
				return fmt.Errorf("PrewarmStatements[%d]: %w", i, err)
			}
		}
	}
	if c.unsettled() { // a hook had a context of its own
		return c.settle(ctx)
	}
	return nil
}

// Pgx returns the pgx connection, nil if the inner driver is not pgx/stdlib.
func (c *Conn) Pgx() *pgx.Conn { return c.pg }

// Close closes the connection. When it returns, nothing of a pgx connection is left on this side; to be polite to the
// server it takes up to closeGrace.
func (c *Conn) Close(ctx context.Context) error {
	if c.guard != nil {
		return c.closeGuarded()
	}
	if c.pg != nil {
		// Of a pool of pgx's own only the inner connection's Close gives back the place that the connection had there.
		return errors.Join(c.pg.Close(ctx), c.inner.Close())
	}
	c.closeSpent()
	c.stmts.closeAll()
	return c.inner.Close()
}

var (
	errConnClosed = errors.New("the connection was closed")
	errConnInTx   = errors.New("the connection is in a transaction")
	errConnBroken = errors.New("an earlier holder found the connection broken")
)

const (
	// pingAfter is how long a connection may have been idle without being pinged before it serves again; pgx's value.
	pingAfter = time.Second
	// peekAfter is how long it may have been idle without a look at its socket, which costs a system call. A connection
	// that is hardly ever idle shows by itself that it has ended.
	peekAfter = 5 * time.Millisecond
)

// Validate says whether a connection that was idle for so long may serve. It asks the server if the connection is
// suspect, or was idle for a second, or has something to say.
func (c *Conn) Validate(ctx context.Context, idle time.Duration, suspect bool) error {
	first := !c.used
	c.used = true
	if c.broken {
		return errConnBroken
	}
	if c.pg == nil {
		c.closeSpent()
		if c.can.resetter != nil && !first {
			return c.can.resetter.ResetSession(ctx)
		}
		return nil
	}
	if c.pg.IsClosed() || c.guard.killed() != nil {
		return errConnClosed
	}
	if c.pg.PgConn().TxStatus() != 'I' {
		return errConnInTx
	}
	if first && idle < pingAfter && !suspect {
		return nil
	}
	ping := idle > pingAfter
	if c.opts.ShouldPing != nil {
		ping = c.opts.ShouldPing(ctx, stdlib.ShouldPingParams{Conn: c.pg, IdleDuration: idle})
	}
	if ping || suspect || c.news(idle) {
		if err := c.ping(ctx, suspect); err != nil {
			return fmt.Errorf("ping: %w", err)
		}
	}
	if c.opts.ResetSession != nil && !first {
		ctx, cancel := context.WithTimeout(ctx, c.opts.EndTimeout)
		defer cancel()
		if err := c.hook(ctx, c.opts.ResetSession); err != nil {
			return fmt.Errorf("ResetSession: %w", err)
		}
	}
	return nil
}

// Prove makes one round trip, so that the connection has been used once.
func (c *Conn) Prove(ctx context.Context) error {
	if c.pg == nil {
		return c.can.ping(ctx)
	}
	return c.pg.Ping(ctx)
}

// news reports whether the server has said something meanwhile: that it ended the connection, or something harmless.
func (c *Conn) news(idle time.Duration) bool {
	return c.guard != nil && idle > peekAfter && c.guard.hasNews()
}

// closed reports whether the connection is known to be closed.
func (c *Conn) closed() bool { return c.pg != nil && c.pg.IsClosed() }

// busy reports whether the connection is in the middle of an operation.
func (c *Conn) busy() bool { return c.pg != nil && c.pg.PgConn().IsBusy() }

// Doing is what the holder of a connection does with it, as far as can be seen.
type Doing uint8

// What holders do.
const (
	Nothing           Doing = iota // nobody holds the connection
	Running                        // waits for the server
	Reading                        // has rows open, or is about to send something, and does not wait for the server
	IdleInTransaction              // has a transaction open, and runs nothing
	Thinking                       // holds a *sql.Conn, and runs nothing
)

// String returns it in words, such as "idle in transaction".
func (d Doing) String() string {
	switch d {
	case Nothing:
		return "nothing"
	case Running:
		return "running"
	case Reading:
		return "reading rows"
	case IdleInTransaction:
		return "idle in transaction"
	case Thinking:
		return "idle"
	default:
		return fmt.Sprintf("Doing(%d)", uint8(d))
	}
}

// ConnStats are the numbers of one connection.
type ConnStats struct {
	// PID is the process that serves the connection on the server, 0 if the inner driver does not tell.
	PID uint32
	// Extra is how many operations there were, less the number of lendings. Thought is how long holders held the
	// connection between operations.
	Extra   int64
	Thought time.Duration
	// Errors counts operations that failed.
	Errors uint64
	// Running is for how long the operation under way has run, 0 if there is none.
	Running time.Duration
	// Doing is what the holder does.
	Doing Doing
	// StatementHits and StatementMisses count look-ups of prepared statements, StatementEvictions those that had to go for
	// others, StatementInvalidations those that the server did not have any more, or refused to run; Prepared is how many are
	// prepared.
	StatementHits, StatementMisses, StatementEvictions, StatementInvalidations uint64
	Prepared                                                                   int
}

// Stats returns the connection's numbers. held says in which lending it is and since when, if it is held. Safe for
// concurrent use.
func (c *Conn) Stats(held bool, epoch uint64, since time.Time) ConnStats {
	s := ConnStats{
		PID: c.pid, Extra: c.extra.Load(), Thought: time.Duration(c.thought.Load()), Errors: c.errors.Load(),
		StatementHits: c.stmts.hits.Load(), StatementMisses: c.stmts.misses.Load(),
		StatementEvictions: c.stmts.evictions.Load(), StatementInvalidations: c.stmts.invalidations.Load(),
		Prepared: int(c.stmts.size.Load()),
	}
	if !held {
		return s
	}
	if c.idleIn.Load() == epoch {
		s.Doing = Thinking
		if c.inTx.Load() {
			s.Doing = IdleInTransaction
		}
		return s
	}
	s.Doing = Running
	if c.guard != nil && c.guard.reads()%2 == 0 { // nobody waits for the server
		s.Doing = Reading
	}
	if began := mono.Time(c.began.Load()); began != 0 {
		s.Running = mono.Since(began)
	} else {
		s.Running = time.Since(since)
	}
	return s
}
