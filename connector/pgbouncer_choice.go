package connector

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector/pgbouncer"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/lifecycle"
)

// PgBouncerInfo is what a connector does because of a PgBouncer, and why.
type PgBouncerInfo struct {
	// Mode is Config.PgBouncer.
	Mode PoolMode
	// ExecMode is how connections that are opened now run statements; 0 as long as nothing stands between.
	ExecMode pgx.QueryExecMode
	// Version is PgBouncer's, zero if its console was not asked or has not answered.
	Version pgbouncer.Version
	// MaxPreparedStatements is its setting, of which versions before 1.21 know nothing: then it is 0.
	MaxPreparedStatements int
	// ActualMode is the pool mode that the console tells for the user and the database, NoPgBouncer if it did not.
	ActualMode PoolMode
	// Recognized says that a connection was found to lead to a pooler although Config.PgBouncer says nothing of one.
	Recognized bool
	// Why says in words why ExecMode is what it is, or what Recognized means. It holds no secret.
	Why string
	// Err is why the console could not be asked, or why connections are refused: PgBouncer lends sessions for shorter than the
	// configuration says.
	Err error
}

// PgBouncer returns what is known of a PgBouncer between the connector and the server, and what follows from it. The zero
// value says that there is none, as far as is known. It changes when connections are opened, since only then is the console
// asked.
func (c *Connector) PgBouncer() PgBouncerInfo {
	if c.Err() != nil {
		return PgBouncerInfo{}
	}
	return *c.bouncer.info.Load()
}

// ErrPoolerUnknown is in the event lifecycle.KindPooler, and in PgBouncerInfo.Err, of a connector that found a pooler that
// nobody told it of.
var ErrPoolerUnknown = errors.New("what answers is no server, but something like PgBouncer: set Config.PgBouncer to its pool mode, " +
	"or prepared statements and settings may fail or reach others")

// A bouncer is what a connector knows of its PgBouncer. Its methods are for several goroutines at once.
type bouncer struct {
	cfg       *Config
	observers *lifecycle.Observers

	info   atomic.Pointer[PgBouncerInfo]
	told   atomic.Bool  // the observer has heard of info
	asking atomic.Bool  // somebody asks the console
	again  atomic.Int64 // when it is to be asked again, a mono.Time

	first    chan struct{} // closed when the console has been asked once
	answered atomic.Bool   // first is closed
}

const (
	// askAgain is for how long the console's answer is taken for true, when connections are opened, and askFailed for how
	// long it is left alone when there was none, or one that refuses connections.
	askAgain  = 5 * time.Minute
	askFailed = 10 * time.Second
)

func (b *bouncer) init(cfg *Config, observers *lifecycle.Observers) {
	b.cfg, b.observers, b.first = cfg, observers, make(chan struct{})
	info := PgBouncerInfo{}
	if cfg.PgBouncer != NoPgBouncer {
		info = b.choose(PgBouncerInfo{Mode: cfg.PgBouncer})
	}
	b.info.Store(&info)
}

// choose returns info with the execution mode that follows from it, and why.
func (b *bouncer) choose(info PgBouncerInfo) PgBouncerInfo {
	given := b.cfg.ConnConfig.DefaultQueryExecMode
	info.ExecMode = given
	switch v := info.Version; {
	case !info.Mode.shared():
		info.Why = "in session mode a connection has a session of its own, and any execution mode works"
	case given != pgx.QueryExecModeCacheStatement:
		info.Why = "the configuration chooses the execution mode"
	case b.cfg.PgBouncerPrepared:
		info.Why = "Config.PgBouncerPrepared says that PgBouncer keeps prepared statements"
	case info.MaxPreparedStatements > 0 && v.AtLeast(1, 21):
		info.Why = fmt.Sprintf("PgBouncer %s keeps up to %d prepared statements for each session", v, info.MaxPreparedStatements)
	default:
		info.ExecMode = pgx.QueryExecModeExec
		info.Why = "statements are run in one round trip and not prepared by name, which every PgBouncer understands: " + why(&info)
	}
	return info
}

// why says why statements are not prepared.
func why(info *PgBouncerInfo) string {
	switch v := info.Version; {
	case v == pgbouncer.Version{}:
		return "that it keeps prepared statements neither its console has said (Config.PgBouncerConsole) nor the configuration " +
			"(Config.PgBouncerPrepared)"
	case !v.AtLeast(1, 21):
		return fmt.Sprintf("%s does not keep prepared statements, as 1.21 and later do", v)
	default:
		return fmt.Sprintf("%s could keep prepared statements, but its max_prepared_statements is 0", v)
	}
}

// prepare makes cc fit for PgBouncer, for a connection that is about to be dialed.
func (b *bouncer) prepare(cc *pgx.ConnConfig) {
	if info := b.info.Load(); info.Mode.shared() && info.ExecMode != pgx.QueryExecModeCacheStatement {
		if cc.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
			cc.DefaultQueryExecMode = info.ExecMode
		}
		cc.StatementCacheCapacity = 0 // so that pgx refuses that mode to whoever asks for it by himself
	}
}

// ask asks the console, if there is one and it is time, before a connection is opened, and returns why none may be.
func (b *bouncer) ask(ctx context.Context) error {
	if b.cfg.PgBouncerConsole == "" {
		return nil
	}
	if now := mono.Now(); int64(now) >= b.again.Load() && b.asking.CompareAndSwap(false, true) {
		info := b.choose(b.consult(ctx))
		wait := askAgain
		if info.Err != nil {
			wait = askFailed
		}
		if old := b.info.Swap(&info); old.ExecMode != info.ExecMode || (old.Err == nil) != (info.Err == nil) {
			b.told.Store(false)
		}
		b.again.Store(int64(mono.Now().Add(wait)))
		b.asking.Store(false)
		if !b.answered.Swap(true) {
			close(b.first)
		}
	}
	select {
	case <-b.first:
	case <-ctx.Done(): // somebody else asks, for the first time
		return context.Cause(ctx)
	}
	if info := b.info.Load(); b.mismatch(info) {
		b.tell(info)
		return info.Err
	}
	return nil
}

// mismatch reports whether PgBouncer lends sessions for shorter than the configuration says.
func (b *bouncer) mismatch(info *PgBouncerInfo) bool { return info.ActualMode > info.Mode }

// consult returns what the console says.
func (b *bouncer) consult(ctx context.Context) PgBouncerInfo {
	info := PgBouncerInfo{Mode: b.cfg.PgBouncer}
	limit := consoleTimeout
	if ends, ok := ctx.Deadline(); ok { // of the connection, which is to be opened in what is left
		limit = min(limit, time.Until(ends)/2)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	client, err := pgbouncer.New(b.cfg.PgBouncerConsole)
	if err != nil {
		info.Err = err
		return info
	}
	defer client.Close()
	settings, err := client.Settings(ctx)
	if err == nil {
		info.ActualMode = poolModes[settings["pool_mode"]]
		info.MaxPreparedStatements, _ = strconv.Atoi(settings["max_prepared_statements"]) // 1.20 and before have none
		info.Version, err = client.Version(ctx)
	}
	if err == nil {
		err = b.modeOfItsOwn(ctx, client, &info)
	}
	if info.Err = err; err == nil && b.mismatch(&info) {
		info.Err = fmt.Errorf("PgBouncer's pool mode for this user and database is %s, and Config.PgBouncer says %s: what works in the one "+
			"reaches others, or fails, in the other", info.ActualMode, info.Mode)
	}
	return info
}

// modeOfItsOwn notes the pool mode of the user, or else of the database, where one of them has its own. Databases that stand for
// all others ("*") are not listed before their first use, and count as having PgBouncer's.
func (b *bouncer) modeOfItsOwn(ctx context.Context, client *pgbouncer.Client, info *PgBouncerInfo) error {
	databases, err := client.Databases(ctx)
	if err != nil {
		return err
	}
	users, err := client.Users(ctx)
	if err != nil {
		return err
	}
	user, name := b.cfg.ConnConfig.User, b.cfg.ConnConfig.Database
	if name == "" {
		name = user
	}
	for _, d := range databases {
		if mode := poolModes[d.PoolMode]; d.Name == name && mode != NoPgBouncer {
			info.ActualMode = mode
		}
	}
	for _, u := range users {
		if mode := poolModes[u.PoolMode]; u.Name == user && mode != NoPgBouncer {
			info.ActualMode = mode
		}
	}
	return nil
}

// opened looks at a connection that was opened, and tells the observer what there is to tell.
func (b *bouncer) opened(conn *pooldriver.Conn) {
	info := b.info.Load()
	if info.Mode == NoPgBouncer && b.cfg.Connector == nil && !info.Recognized && conn.Pooled() {
		info = &PgBouncerInfo{Recognized: true, Why: ErrPoolerUnknown.Error(), Err: ErrPoolerUnknown}
		b.info.Store(info)
	}
	if info.Mode != NoPgBouncer || info.Recognized {
		b.tell(info)
	}
}

// tell tells the observers, once.
func (b *bouncer) tell(info *PgBouncerInfo) {
	if !b.told.CompareAndSwap(false, true) {
		return
	}
	e := lifecycle.Event{Kind: lifecycle.KindPooler, Pool: b.cfg.Name, Err: info.Err}
	if info.Mode != NoPgBouncer {
		e.Code = info.ExecMode.String()
	}
	b.observers.Observe(e)
}
