package pooldriver

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgproto3"
)

// A guard stands between pgx and the network for one physical connection. It can close the socket at any time and from
// any goroutine, which pgx cannot; it knows whether somebody waits for the server to say something; and it sees every
// request to cancel, pgx's own included, because pgx dials for each.
type guard struct {
	opts *Options
	next pgconn.DialFunc // the configuration's own

	missed   error     // what the last dial of the connection's own said; of the one who opens it
	missedAt [2]string // network and address of that dial

	canceler *canceler // set before the connection serves; nil where the user's own handler is kept

	serves atomic.Bool // the connection is open: another one that is dialed by this guard is not its own
	gone   atomic.Bool // the server has ended the connection, so that there is nothing to cancel
	dead   atomic.Bool // the socket was closed by us
	silent atomic.Bool // the server was given its time for an answer, and nothing is left for it to cancel

	// What was dialed last before the connection served. Never nil: before the first dial it is one of no network.
	socket atomic.Pointer[socket]

	mu    sync.Mutex         // guards what follows, and the deadline of a socket where two goroutines set it: see socket.late
	sides map[*side]struct{} // requests to cancel that are under way
	why   error              // why the socket was closed; nil as long as nobody did
}

// guardKey is where pgx's custom data has a connection's guard.
const guardKey = "github.com/poolsql/poolsql/driver.guard"

// Guard prepares cfg for one connection that is about to be dialed. It is to be called for each anew.
//
// A connection whose context ends in the middle of a statement lives on, if the server answers to the cancel in time. That
// takes the place of pgx's default, which closes the connection. A BuildContextWatcherHandler that the user has set stays.
func Guard(cfg *pgx.ConnConfig, opts *Options) {
	g := &guard{opts: opts, next: cfg.DialFunc}
	g.socket.Store(&socket{guard: g})
	cfg.DialFunc = g.dial
	frontend := cfg.BuildFrontend
	cfg.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		if g.serves.Load() {
			return frontend(r, w) // of another connection, as below
		}
		s := g.socket.Load() // it was dialed for this
		return frontend(answers{r, s}, questions{w, s})
	}
	build := cfg.BuildContextWatcherHandler
	cfg.BuildContextWatcherHandler = func(pg *pgconn.PgConn) ctxwatch.Handler {
		h := build(pg)
		if g.serves.Load() {
			return h // of a connection that somebody opens by a copy of this one's configuration
		}
		pg.CustomData()[guardKey] = g
		if d, ok := h.(*pgconn.DeadlineContextWatcherHandler); !ok || d.DeadlineDelay != 0 {
			return h // somebody has decided otherwise
		}
		g.canceler = &canceler{guard: g, pg: pg} // again for each host that is asked what it is
		return g.canceler
	}
}

// guardOf returns the guard of a connection that is open now, nil if it was opened without one.
func guardOf(pg *pgconn.PgConn) *guard {
	g, _ := pg.CustomData()[guardKey].(*guard)
	if g != nil {
		g.serves.Store(true)
	}
	return g
}

var (
	errServerGone = errors.New("the server has ended the connection: there is nothing to cancel")
	errAskedOnce  = errors.New("the server was asked to cancel and did not answer")
)

// dial is pgx's DialFunc.
func (g *guard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if dialsToCancel() {
		return g.dialSide(ctx, network, address)
	}
	if g.serves.Load() {
		return g.next(ctx, network, address)
	}
	conn, err := g.reach(ctx, network, address)
	if err != nil {
		return nil, err
	}
	s := &socket{Conn: conn, guard: g}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.socket.Store(s) // an earlier one was of a host that would not have us
	g.gone.Store(false)
	return s, nil
}

// reach dials, but for an address that could not be reached just now: pgx tries it once more without TLS where sslmode is
// prefer, its default, so that a server that is down would see twice as many attempts.
func (g *guard) reach(ctx context.Context, network, address string) (net.Conn, error) {
	if g.missed != nil && g.missedAt == [2]string{network, address} {
		return nil, g.missed
	}
	conn, err := g.next(ctx, network, address)
	g.missed, g.missedAt = err, [2]string{network, address}
	return conn, err
}

// dialsToCancel reports whether pgx calls dial for a request to cancel. Nothing but the caller tells: that the connection
// was opened does not, as pgx asks a host what it is, when it looks for a primary, before it dials the next; nor does the
// context, which pgx makes anew when it gives a connection up.
func dialsToCancel() bool {
	var pcs [1]uintptr
	runtime.Callers(3, pcs[:]) // whoever called dial
	caller, _ := runtime.CallersFrames(pcs[:]).Next()
	return strings.HasSuffix(caller.Function, "pgconn.(*PgConn).CancelRequest")
}

// kill closes the socket, and every request to cancel, hard and at once. why is what the connection's holder will hear, if
// he is the first to be told. The server learns of it when the network lets it.
func (g *guard) kill(why error) {
	g.condemn(why)
	g.mu.Lock()
	sides := slices.Collect(maps.Keys(g.sides)) // no more are added
	g.mu.Unlock()
	if s := g.socket.Load(); s.Conn != nil {
		_ = s.Conn.Close()
	}
	for _, s := range sides {
		s.abort()
	}
}

// condemn notes that the connection is about to be killed, so that nobody takes what happens to it meanwhile for something
// else. From now on pgx dials for no request to cancel.
func (g *guard) condemn(why error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.why == nil {
		g.why = why
		g.dead.Store(true)
	}
}

// killed returns why the socket was closed by us, nil if it was not.
func (g *guard) killed() error {
	if g == nil || !g.dead.Load() {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.why
}

// hasNews reports whether there is something to read.
func (g *guard) hasNews() bool { return hasNews(g.socket.Load().Conn) }

// reads counts the begins and ends of reads from the network: it is odd while one waits.
func (g *guard) reads() uint64 { return g.socket.Load().turns.Load() }

// noteSilent notes that what closed the connection was the silence of the server, and that nothing is under way there that
// should be canceled: nobody needs to be polite to it.
func (g *guard) noteSilent(err error) {
	if g != nil && pgconn.Timeout(err) {
		g.silent.Store(true)
	}
}
