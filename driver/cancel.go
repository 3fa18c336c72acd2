package pooldriver

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/lifecycle"
)

// A canceler keeps a connection whose statement is canceled. It is pgx's ctxwatch.Handler of that connection.
//
// When the context of a statement ends, it sets a deadline on the socket, so that the caller returns whatever happens, and
// asks the server to cancel, on a goroutine. The statement then ends with the server's answer and the connection is in
// order, but for one thing: a request that is still under way would hit whatever runs next. So a request that was begun is
// never abandoned; before the next statement, Conn.settle waits for the server to have said that the signal was sent, by
// ending the request's connection, and makes one empty round trip. Where that cannot be had in time, the connection is
// closed. A request may come before the statement that it is to cancel, and be lost: it is repeated while the statement
// goes on.
//
// pgx calls HandleCancel on a goroutine of the context, at any time while a statement's rows are open, and, where the
// connection was closed in the middle of a statement, even later. HandleUnwatchAfterCancel it calls on that of the
// connection's holder, after HandleCancel has returned.
type canceler struct {
	guard *guard
	pg    *pgconn.PgConn

	asked atomic.Bool // since the connection stands, or since the last time that all was in order

	direct atomic.Bool // the holder uses pgx itself, so that nothing of ours comes before his next statement

	current atomic.Pointer[request] // not settled yet; nil if there is none
}

// A request is the effort to cancel one statement.
type request struct {
	before *request      // one that nobody has waited for; pgx sent twice in one call of ours
	enough chan struct{} // closed when the statement has ended
	done   chan struct{} // closed when nothing is under way any more
	over   atomic.Bool   // the statement has ended; set under guard.mu, so that its deadline is set no more afterwards
	last   bool          // the connection is killed together with it

	released atomic.Bool // it waited for nothing that it had asked for, and was cut off
	overtime overtime    // of whoever reads the answer

	fallback *time.Timer // for sockets without deadlines

	// Until done is closed its goroutine has these.
	sent  bool // the last try has reached the network
	ended bool // and the server has said that it was done
	heard bool // or something else
	tries int
	loose bool // one that was sent was not seen to end: it may hit what comes next
	err   error
}

// HandleCancel implements ctxwatch.Handler. It returns at once.
func (k *canceler) HandleCancel(context.Context) {
	limit := k.guard.opts.CancelTimeout
	r := &request{before: k.current.Load(), enough: make(chan struct{}), done: make(chan struct{})}
	if k.pg.Conn().SetDeadline(time.Now().Add(limit)) != nil {
		r.fallback = time.AfterFunc(limit, func() { k.guard.kill(errNoAnswer) })
	}
	k.guard.silent.Store(false)
	k.current.Store(r)
	if k.direct.Load() && k.guard.socket.Load().ready.Load() {
		go k.release(r, limit)
		return
	}
	go k.run(r, limit)
}

// HandleUnwatchAfterCancel implements ctxwatch.Handler: the statement has ended, or its connection.
func (k *canceler) HandleUnwatchAfterCancel() {
	r := k.current.Load()
	k.guard.mu.Lock()
	r.over.Store(true)
	k.guard.mu.Unlock()
	close(r.enough)
	if r.fallback != nil {
		r.fallback.Stop()
	}
	if k.pg.IsClosed() {
		return // what deadline there is, is for its end
	}
	if k.direct.Load() && !k.end() { // before the deadline is taken back, which may be set until then
		k.guard.kill(errLoose)
	}
	_ = k.pg.Conn().SetDeadline(time.Time{}) // fails where there are none, and on a closed socket, which tells by itself
}

var (
	errNoAnswer = errors.New("the server did not answer in time")
	errLoose    = errors.New("a cancel of the statement before was not seen to end")
)

// retryCancel is how long the server may take to act on a cancel before it is asked again, the first time. The cancel
// of a statement that had not reached it yet is lost.
const retryCancel = 50 * time.Millisecond

// release is for who waits for what the server may say by itself, a notification, and has asked it nothing: there is nothing
// to cancel, and the wait ends. What was about to be sent when the context ended is given a moment to be sent.
func (k *canceler) release(r *request, limit time.Duration) {
	select {
	case <-r.enough:
		close(r.done)
		return
	case <-time.After(releaseAfter):
	}
	if k.guard.socket.Load().ready.Load() {
		r.released.Store(true)
		_ = k.pg.Conn().SetReadDeadline(time.Now())
		close(r.done)
		return
	}
	k.run(r, limit)
}

// releaseAfter is how long what was begun may take to be sent.
const releaseAfter = 10 * time.Millisecond

// run asks the server to cancel until the statement has ended or time is up.
func (k *canceler) run(r *request, limit time.Duration) {
	defer close(r.done)
	ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), cancelKey{}, r), limit)
	defer cancel()
	began := mono.Now()
	for pause := retryCancel; ; {
		if k.once(ctx, r); r.loose || k.guard.dead.Load() {
			break
		}
		wait := pause
		if !k.guard.opts.Pooler.shared() { // a pooler drops a request for what it has in its queue, and forks for none
			pause *= 2
		}
		select {
		case <-r.enough:
		case <-ctx.Done():
		case <-time.After(wait):
			continue
		}
		break
	}
	if o := k.guard.opts; r.tries > 0 {
		e := lifecycle.Event{
			Kind: lifecycle.KindCancel, Pool: o.Pool, Duration: mono.Since(began), Count: r.tries, Err: r.err,
		}
		if r.err != nil || r.loose {
			e.Code = "failed"
		}
		o.Observers.Observe(e)
	}
}

// once makes one request, when there is a slot for it.
func (k *canceler) once(ctx context.Context, r *request) {
	slots := &k.guard.opts.Cancels
	if slots.take(ctx, r.enough) != nil {
		return
	}
	select {
	case <-r.enough: // both were there
		slots.give()
		return
	default:
	}
	defer slots.give()
	k.asked.Store(true) // and not before: without a slot nobody was, and pgx, when it gives the connection up, does it
	r.tries++
	r.sent, r.ended = false, false
	r.err = k.pg.CancelRequest(ctx)
	r.loose = r.sent && !r.ended
}

// end waits until nothing is under way, and reports whether nothing can come after.
func (k *canceler) end() bool {
	loose := false
	for r := k.current.Swap(nil); r != nil; r = r.before {
		<-r.done
		loose = loose || r.loose
	}
	k.asked.Store(loose)
	return !loose
}

// await waits until nothing is under way, or ctx ends.
func (k *canceler) await(ctx context.Context) error {
	for r := k.current.Load(); r != nil; r = r.before {
		select {
		case <-r.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// lendRaw notes that the connection is used without us until it comes back: the end of a cancel is then awaited as soon as
// its statement has ended, and a server that is silent is nobody's affair: it may be that nothing has been notified yet.
func (c *Conn) lendRaw() {
	c.raw = true
	c.lendDirect(true)
	c.limit.Store(0)
}

// takeBack is the end of that.
func (c *Conn) takeBack() {
	c.raw = false
	c.lendDirect(false)
	c.noteLimit(c.limits.session)
}

// lendDirect notes whether somebody else than us sends statements.
func (c *Conn) lendDirect(direct bool) {
	if c.guard != nil && c.guard.canceler != nil {
		c.guard.canceler.direct.Store(direct)
	}
}

// hook runs a function of the user's on the connection while nobody holds it.
func (c *Conn) hook(ctx context.Context, f func(context.Context, *pgx.Conn) error) error {
	c.lendDirect(true)
	defer c.lendDirect(false)
	return f(ctx, c.pg)
}

// unsettled reports whether a cancel must be waited for before the next statement. That of a statement whose rows are open
// still must not: what comes is refused, as the connection is busy.
func (c *Conn) unsettled() bool {
	if c.guard == nil || c.guard.canceler == nil {
		return false
	}
	r := c.guard.canceler.current.Load()
	return r != nil && r.over.Load()
}

// settle waits until no cancel can hit what is run next. If that cannot be had, the connection is broken; if ctx ends
// before, it is to be tried again.
func (c *Conn) settle(ctx context.Context) error {
	if err := c.guard.canceler.await(ctx); err != nil {
		return err
	}
	if !c.guard.canceler.end() {
		c.broken = true
		c.guard.kill(errLoose)
		return errLoose
	}
	if c.pg.IsClosed() {
		return errConnClosed
	}
	if c.opts.Pooler.shared() && c.pg.PgConn().TxStatus() == 'I' {
		return nil // the session that the statement had is the pooler's again, which lends it when the request has ended
	}
	// What the signal does it does in this round trip at the latest, which may be what is canceled then.
	_, err := c.bounded(context.Background(), "-- settle", c.opts.CancelTimeout)
	if err != nil && !isServerAnswer(err) {
		c.broken = true
		c.guard.noteSilent(err)
		return fmt.Errorf("settling a cancel: %w", err)
	}
	c.guard.silent.Store(false)
	return nil
}
