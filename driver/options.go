package pooldriver

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// Options are what all connections of one pool share that were opened under one configuration. They do not change once the
// first connection was opened; another configuration has others.
type Options struct {
	// AfterConnect, if set, runs on each new pgx connection before it serves. If it fails, the connection is closed.
	AfterConnect func(context.Context, *pgx.Conn) error
	// Prewarm are statements that run on each new pgx connection before it serves, after AfterConnect.
	Prewarm []string
	// PrewarmStatements are statements that each new pgx connection prepares before it serves, after Prewarm.
	PrewarmStatements []string
	// ResetSession, if set, runs on each pgx connection before it serves again. If it fails, the connection is replaced.
	ResetSession func(context.Context, *pgx.Conn) error
	// ResetQuery, if set, runs on each pgx connection when it comes back. If it fails, the connection is closed.
	ResetQuery string
	// ShouldPing, if set, says whether a pgx connection is pinged before it serves again. By default it is after a
	// second of idleness.
	ShouldPing func(context.Context, stdlib.ShouldPingParams) bool

	// Replica says that the connections lead to a replica on purpose: that it refuses to write says nothing against them.
	Replica bool

	// Pooler is what stands between the connections and the server. Where it lends sessions of the server for less than a
	// connection's life, the limits below are kept by timers here and, in a transaction, told with its BEGIN.
	Pooler Pooler
	// Tracked are settings, in lower case, that the pooler keeps for each connection, beside those that PgBouncer always does.
	Tracked []string
	// Settings, if set, is SQL that runs on each new pgx connection before anything else: what a pooler would not take as
	// start-up parameters. For PoolerSession alone.
	Settings string

	// Carried are the settings that each call finds set to what its context carries; whoever carries nothing finds their
	// defaults. For pgx alone.
	Carried []Carried

	// StatementTimeout is what the server was told at the start of each connection; 0 if nothing.
	StatementTimeout time.Duration
	// TransactionTimeout is how long a transaction may be open; 0 is no limit.
	TransactionTimeout time.Duration
	// IdleInTransactionTimeout is what the server was told at the start of each connection; 0 if nothing.
	IdleInTransactionTimeout time.Duration
	// EndTimeout bounds COMMIT, ROLLBACK and what is done to a connection between two holders.
	EndTimeout time.Duration
	// CancelTimeout is how long the server has to answer to a cancel before the connection is closed.
	CancelTimeout time.Duration
	// Cancels limits how many requests to cancel are under way at once.
	Cancels Slots
	// Retries limits how many statements run again because of errors.
	Retries *Budget

	// StatementCacheCapacity is how many statements each connection keeps prepared.
	StatementCacheCapacity int
	// Coalescer, if set, knows which reads share executions; Coalescing are the defaults of those that do.
	Coalescer  *Coalescer
	Coalescing priority.Coalescing
	// Strained, if set, is told of errors that say that the server is asked too much: see StrainOf.
	Strained func(lifecycle.Strain)
	// Stacks has each holder's stack kept, for the reports of leaks.
	Stacks bool
	// Observers are told of each operation's end; Pool is what they are told as the pool's name. Nil is nobody.
	Observers *lifecycle.Observers
	Pool      string
	// Tracer, if set, follows each operation.
	Tracer Tracer
	// Comment, if set, returns what is appended to a statement as a comment: see commented.
	Comment func(ctx context.Context, stable bool) string
}
