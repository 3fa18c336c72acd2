// Package poolsql makes any *sql.DB behave under load: a driver.Connector over pgx/stdlib that queues callers by
// priority, keeps track of every connection, and says who holds what when time runs out.
//
//	db, err := poolsql.Open(poolsql.Config{DSN: "postgres://app@localhost/shop", MaxConns: 20})
//
// or, where a *sql.DB is made from a connector, by hand or by a library:
//
//	db := sql.OpenDB(poolsql.NewConnector(cfg))
//	db.SetMaxIdleConns(1000) // Open does this: sessions are cheap, making them anew is not free
//
// or, for libraries that take nothing but a driver's name, under the name that importing this package registers:
//
//	db, err := sql.Open("poolsql", "postgres://app@localhost/shop?pool_max_conns=20&pool_acquire_timeout=5s")
//	db.SetMaxIdleConns(1000)
//
// Such a library may derive from the name how the database writes parameters; sqlx does, and has to be told once:
//
//	sqlx.BindDriver("poolsql", sqlx.DOLLAR)
//
// Never call db.SetMaxOpenConns: it puts database/sql's queue, which serves callers at random, before the one that this
// package is for. Config.MaxConns is the number of connections.
//
// What a call says about itself is in its context:
//
//	ctx = poolsql.WithPriority(ctx, poolsql.High)
//	ctx = poolsql.WithLabel(ctx, "checkout")
//	row := db.QueryRowContext(ctx, "select ...")
//
// This package is the face: what most users need, by its short name. The parts are in the packages connector, driver,
// lifecycle and priority, and each explains itself.
package poolsql

import (
	"context"
	"database/sql"
	"time"

	"github.com/poolsql/poolsql/connector"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

type (
	// Config says what to connect to and how. See [connector.Config].
	Config = connector.Config
	// Connector is what sql.OpenDB takes, and where the numbers and the controls are. See [connector.Connector].
	Connector = connector.Connector
	// Route is a pool of its own beside a connector's: of a replica, or of the same server with limits of its own.
	Route = connector.Route
	// RouteStatus is what is known of a route at one instant.
	RouteStatus = connector.RouteStatus
	// NoRouteError says that a call was turned away because what may serve it cannot, or is not there.
	NoRouteError = connector.NoRouteError
	// Bookmark is how far the writes of some calls have come, for reads that must see them.
	Bookmark = priority.Bookmark
	// Stats are a connector's numbers. See [connector.Stats].
	Stats = connector.Stats
	// ConnInfo is what is known of one physical connection. See [connector.ConnInfo].
	ConnInfo = connector.ConnInfo
	// PoolMode is PgBouncer's pool_mode, for [Config]. See [connector.PoolMode].
	PoolMode = connector.PoolMode
	// PoolModeError says what in a Config cannot work in that mode. See [connector.PoolModeError].
	PoolModeError = connector.PoolModeError
	// SessionError says of a statement that it cannot work in that mode, and was not sent. See [pooldriver.SessionError].
	SessionError = pooldriver.SessionError
	// Class says how much a call matters. See [priority.Class].
	Class = priority.Class
	// Coalescing says how a call shares the execution of a read. See [priority.Coalescing].
	Coalescing = priority.Coalescing
	// CoalescingError says that a call could not share and was not to run by itself. See [pooldriver.CoalescingError].
	CoalescingError = pooldriver.CoalescingError
	// PanicError is what the callers of an execution that they share panic with. See [pooldriver.PanicError].
	PanicError = pooldriver.PanicError
	// Event tells what happened. See [lifecycle.Event].
	Event = lifecycle.Event
	// Observer is told what happens. See [lifecycle.Observer].
	Observer = lifecycle.Observer
	// ObserverFunc is a function as an Observer.
	ObserverFunc = lifecycle.ObserverFunc
	// AcquireError says that a caller got no connection, by which rule, and who was in its way. See
	// [lifecycle.AcquireError].
	AcquireError = lifecycle.AcquireError
	// TxOptions are how RunTx runs a transaction. See [connector.TxOptions].
	TxOptions = connector.TxOptions
	// TxRetryError says that RunTx gave up a transaction, of which nothing is committed. See [connector.TxRetryError].
	TxRetryError = connector.TxRetryError
	// DrainError names who still held a connection when a drain ended. See [lifecycle.DrainError].
	DrainError = lifecycle.DrainError
	// QuiesceError names who still held a connection when a quiesce ended. See [lifecycle.QuiesceError].
	QuiesceError = lifecycle.QuiesceError
	// TimeoutError says which time ran out for an operation that had a connection. See [pooldriver.TimeoutError].
	TimeoutError = pooldriver.TimeoutError
	// CanceledError says that an operation's caller left. See [pooldriver.CanceledError].
	CanceledError = pooldriver.CanceledError
	// CommitError says that nobody knows whether a transaction is committed. See [pooldriver.CommitError].
	CommitError = pooldriver.CommitError
	// RetryError says how often a repeatable statement was tried. See [pooldriver.RetryError].
	RetryError = pooldriver.RetryError
	// LostError says that a connection was lost before a statement was sent. See [pooldriver.LostError].
	LostError = pooldriver.LostError
	// UnknownError says that a connection was lost after a statement was sent: nobody knows whether it ran. See
	// [pooldriver.UnknownError].
	UnknownError = pooldriver.UnknownError
)

// DriverName is the name for sql.Open: importing this package registers the driver. Each sql.Open makes a pool, which the
// Close of its *sql.DB closes. See [connector.Driver].
const DriverName = connector.DriverName

func init() { sql.Register(DriverName, connector.Driver{}) }

// The classes. A call that names none is Normal.
const (
	High   = priority.High
	Normal = priority.Normal
	Low    = priority.Low
)

// PgBouncer's pool modes, for [Config]. See [connector.PoolMode].
const (
	PoolSession     = connector.PoolSession
	PoolTransaction = connector.PoolTransaction
	PoolStatement   = connector.PoolStatement
)

// None, as one of the durations of a [Config], stands for no limit.
const None = connector.None

// NoTimeout, as the timeout of a call, lifts the pool's. It equals None, so that either will do in either place.
const NoTimeout = priority.NoTimeout

// What errors.Is finds in an [AcquireError].
var (
	ErrTimeout     = priority.ErrTimeout
	ErrQueueFull   = priority.ErrQueueFull
	ErrCleared     = priority.ErrCleared
	ErrClosed      = priority.ErrClosed
	ErrUnavailable = priority.ErrUnavailable
	ErrDeadlock    = priority.ErrDeadlock
	ErrOverloaded  = priority.ErrOverloaded
)

// What errors.Is finds in a [TimeoutError], beside context.DeadlineExceeded.
var (
	ErrConnectTimeout           = pooldriver.ErrConnectTimeout
	ErrStatementTimeout         = pooldriver.ErrStatementTimeout
	ErrTransactionTimeout       = pooldriver.ErrTransactionTimeout
	ErrIdleInTransactionTimeout = pooldriver.ErrIdleInTransactionTimeout
	ErrEndTimeout               = pooldriver.ErrEndTimeout
)

// What becomes of a call that cannot share, for [Coalescing]. See [priority.AtCap].
const (
	RunAlone = priority.RunAlone
	Refuse   = priority.Refuse
)

// What errors.Is finds in a [CoalescingError].
var (
	ErrTooManySharers = pooldriver.ErrTooManySharers
	ErrResultTooLarge = pooldriver.ErrResultTooLarge
)

// ErrCommitUnknown is matched by a [CommitError].
var ErrCommitUnknown = pooldriver.ErrCommitUnknown

// ErrNeedsSession is matched by the errors of what cannot work behind a PgBouncer that lends sessions for less than the
// connection's life: [pooldriver.SessionError] of a statement, [connector.PoolModeError] of a configuration.
var ErrNeedsSession = pooldriver.ErrNeedsSession

// ErrTxEnded is matched by RunTx's error when the function ended its transaction by itself.
var ErrTxEnded = connector.ErrTxEnded

// NewConnector returns a connector for cfg. It does no I/O. If cfg is bad, the first use says so; [Config.Validate] and
// [Open] do at once.
func NewConnector(cfg Config) *Connector { return connector.NewConnector(cfg) }

// Open returns a *sql.DB on a new connector for cfg, with its idle sessions unlimited in practice. It fails if cfg is
// bad. Like sql.Open it does not connect: db.PingContext does.
func Open(cfg Config) (*sql.DB, error) { return connector.Open(cfg) }

// FromDB returns the connector that db is on, behind wrappers too. It fails if there is none. It also fails, but returns the
// connector all the same, if somebody limited db with SetMaxOpenConns.
func FromDB(db *sql.DB) (*Connector, error) { return connector.FromDB(db) }

// RunTx runs fn in a transaction of db, commits it if fn returns nil, and runs it again after a serialization failure, a
// deadlock or the loss of the connection before COMMIT. See [connector.RunTx].
func RunTx(ctx context.Context, db *sql.DB, opts TxOptions, fn func(ctx context.Context, tx *sql.Tx) error) error {
	return connector.RunTx(ctx, db, opts, fn)
}

// Savepoint runs fn inside a savepoint of tx, which undoes what fn did if that fails. See [connector.Savepoint].
func Savepoint(ctx context.Context, tx *sql.Tx, fn func(ctx context.Context) error) error {
	return connector.Savepoint(ctx, tx, fn)
}

// WithPriority returns a context whose calls are of class c.
func WithPriority(ctx context.Context, c Class) context.Context { return priority.WithClass(ctx, c) }

// WithTimeout returns a context whose statements may take at most d each, be it more or less than Config.StatementTimeout;
// NoTimeout is no limit. Unlike a deadline it does not run while a call waits for its turn.
func WithTimeout(ctx context.Context, d time.Duration) context.Context {
	return priority.WithTimeout(ctx, d)
}

// WithoutLimits returns a context for what is meant to take long, such as a migration: the pool's limits for statements and
// transactions do not end it, and nobody reports it as a leak.
func WithoutLimits(ctx context.Context) context.Context { return priority.WithoutLimits(ctx) }

// WithRetries returns a context whose statements may be run again, up to n times each, after failures that pass; the caller
// vouches that they are repeatable. For n above zero they also wait for a database that is down until their acquire
// timeout, where others fail at once. Transactions are repeated by [RunTx] alone.
func WithRetries(ctx context.Context, n int) context.Context { return priority.WithRetries(ctx, n) }

// WithOwner returns a context whose calls are known to come one after the other, as those of a request that one goroutine
// serves. A call that waits for a connection while its owner holds one can be told from others, and is refused with
// ErrDeadlock where it would wait for ever. RunTx does this by itself. Goroutines that work side by side need
// [WithoutOwner].
func WithOwner(ctx context.Context) context.Context { return priority.WithOwner(ctx) }

// WithoutOwner returns a context whose calls belong to no owner: for each of several goroutines that share a context which
// has one, such as those that the function of RunTx starts. Else a wait for what another of them is about to give back may
// be taken for a deadlock.
func WithoutOwner(ctx context.Context) context.Context { return priority.WithoutOwner(ctx) }

// WithLabel returns a context whose calls are named label in errors, events and the list of who holds what.
func WithLabel(ctx context.Context, label string) context.Context {
	return priority.WithLabel(ctx, label)
}

// WithCoalescing returns a context whose reads share executions with identical ones that are asked for at the same time. It
// is the caller's word that they may. See [priority.Coalescing].
func WithCoalescing(ctx context.Context, c Coalescing) context.Context {
	return priority.WithCoalescing(ctx, c)
}

// WithoutCoalescing returns a context whose calls run by themselves.
func WithoutCoalescing(ctx context.Context) context.Context { return priority.WithoutCoalescing(ctx) }

// WithTenant returns a context whose calls run on behalf of tenant. Inside a class tenants share
// by the time that they use.
func WithTenant(ctx context.Context, tenant string) context.Context {
	return priority.WithTenant(ctx, tenant)
}

// WithUser returns a context whose calls run on behalf of user, inside a tenant: for people, in events and Connections.
func WithUser(ctx context.Context, user string) context.Context { return priority.WithUser(ctx, user) }

// WithSetting returns a context whose statements find a setting of the server's session to be value; Config.SessionSettings
// has to name it.
func WithSetting(ctx context.Context, name, value string) context.Context {
	return priority.WithSetting(ctx, name, value)
}

// WithReadOnly returns a context whose calls only read, so that a route for reads may serve them.
func WithReadOnly(ctx context.Context) context.Context { return priority.WithReadOnly(ctx) }

// WithRoute returns a context whose calls are served by the route of that name.
func WithRoute(ctx context.Context, name string) context.Context {
	return priority.WithRoute(ctx, name)
}

// WithBookmark returns a context whose reads see what was written before under contexts with the same bookmark.
func WithBookmark(ctx context.Context, b *Bookmark) context.Context {
	return priority.WithBookmark(ctx, b)
}

// WithAffinity returns a context whose calls prefer the connection that last served a call with the same key, where it
// is idle.
func WithAffinity(ctx context.Context, key string) context.Context {
	return priority.WithAffinity(ctx, key)
}
