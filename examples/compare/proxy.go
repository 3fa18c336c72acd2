package main

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// proxy stands between a pool and its server and lets the network fail. It passes bytes on until it is told to swallow
// them, as a firewall does that has forgotten its connections, or to be down. Safe for concurrent use.
type proxy struct {
	network, address string // of the server
	listener         net.Listener
	attempts         atomic.Int64 // connections asked for through dial, requests to cancel included
	running          sync.WaitGroup

	// mu guards what follows. Nothing is dialed under it; closing a socket does not block.
	mu     sync.Mutex
	hole   bool               // new connections are swallowed too
	closed bool               // no more connections
	links  map[*link]struct{} // all that are open
}

// link is one connection through the proxy.
type link struct {
	client  net.Conn
	server  net.Conn      // nil until dialed, and forever if the hole was there first
	swallow atomic.Bool   // what arrives from either side goes nowhere, its end included
	over    chan struct{} // closed with the link
}

// errServerDown is what dial returns when the proxy is down, so that a caller's error can be searched for it in any
// system's language.
var errServerDown = errors.New("the proxy was told to be down")

// proxyDial bounds the proxy's own dials, for which close waits.
const proxyDial = 5 * time.Second

// newProxy starts a proxy in front of the server of config.
func newProxy(config *pgx.ConnConfig) (*proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: listener, links: make(map[*link]struct{})}
	p.network, p.address = pgconn.NetworkAddress(config.Host, config.Port)
	p.running.Go(p.accept)
	return p, nil
}

// dial connects to the proxy, whatever address is asked for: as a pgconn.DialFunc it leaves the rest of a configuration,
// TLS included, as it is.
func (p *proxy) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	p.attempts.Add(1)
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", p.listener.Addr().String())
	if err != nil && p.isDown() {
		return nil, errors.Join(errServerDown, err)
	}
	return conn, err
}

// swallow makes a black hole of the network: nothing arrives any more on what is open and on what comes, and nobody is told.
func (p *proxy) swallow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hole = true
	for l := range p.links {
		l.swallow.Store(true)
	}
}

// heal lets new connections through. Those that the hole has swallowed stay lost.
func (p *proxy) heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hole = false
}

// cut is what a server that goes down does: it breaks every connection, and new ones are refused from now on.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.listener.Close()
	for l := range p.links {
		p.endLocked(l)
	}
}

// close cuts and waits for the proxy's goroutines.
func (p *proxy) close() {
	p.cut()
	p.running.Wait()
}

func (p *proxy) isDown() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // cut
		}
		l := &link{client: client, over: make(chan struct{})}
		if p.enter(l) {
			p.running.Go(func() { p.serve(l) })
		}
	}
}

// enter notes a new link; if the proxy is closed, it ends it.
func (p *proxy) enter(l *link) (ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		l.client.Close()
		return false
	}
	l.swallow.Store(p.hole)
	p.links[l] = struct{}{}
	return true
}

// serve connects the link to the server and passes on what comes from both sides.
func (p *proxy) serve(l *link) {
	defer p.end(l)
	if l.swallow.Load() {
		<-l.over
		return
	}
	server, err := net.DialTimeout(p.network, p.address, proxyDial)
	if err != nil || !p.join(l, server) {
		return
	}
	p.running.Go(func() {
		defer p.end(l)
		l.pass(l.client, server)
	})
	l.pass(server, l.client)
}

// join gives the link its other half, unless it has ended meanwhile.
func (p *proxy) join(l *link, server net.Conn) (ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, open := p.links[l]; !open {
		server.Close()
		return false
	}
	l.server = server
	return true
}

// pass copies until one of both has ended. Once the link swallows, it stays until the link is cut: not even the end of
// a connection comes through a hole.
func (l *link) pass(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if l.swallow.Load() {
			<-l.over
			return
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) end(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endLocked(l)
}

// endLocked ends the link once.
func (p *proxy) endLocked(l *link) {
	if _, open := p.links[l]; !open {
		return
	}
	delete(p.links, l)
	close(l.over)
	l.client.Close()
	if l.server != nil {
		l.server.Close()
	}
}
