package toxicproxy

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/rs/zerolog"
)

// Toxiproxy's toxics have no logger of their own; one of them tells the global one of each step.
func init() { zerolog.SetGlobalLevel(zerolog.Disabled) }

// dialTimeout bounds the dial of the server, which is on this machine.
const dialTimeout = 2 * time.Second

// A Proxy passes each connection that it accepts on to one server. Safe for concurrent use.
type Proxy struct {
	upstream string
	listener net.Listener
	accepted atomic.Int64
	running  sync.WaitGroup // the goroutine that accepts, and two for each direction of a link

	// change is held while the toxics of the links change, which waits for them.
	change sync.Mutex

	mu sync.Mutex
	// guarded by mu

	up, down toxics.Toxic // of new links; never nil
	links    map[*link]bool
	closed   bool
}

// New returns a proxy for the server at upstream, host:port. It listens on a free port of 127.0.0.1, and passes everything
// on as it is.
func New(upstream string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{
		upstream: upstream, listener: listener, links: map[*link]bool{},
		up: new(toxics.NoopToxic), down: new(toxics.NoopToxic),
	}
	p.running.Go(p.accept)
	return p, nil
}

// Addr is where the proxy listens, host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Accepted is how many connections it has accepted, those to a server that was down included.
func (p *Proxy) Accepted() int64 { return p.accepted.Load() }

// Poison replaces the toxics of every link, open or to come: up spoils what goes to the server, down what comes from it. Nil
// spoils nothing. The same toxic serves all links, so it must not be changed afterwards. Links that come out of a black
// hole are closed: what they should have brought is lost.
func (p *Proxy) Poison(up, down toxics.Toxic) {
	if up == nil {
		up = new(toxics.NoopToxic)
	}
	if down == nil {
		down = new(toxics.NoopToxic)
	}
	p.change.Lock()
	defer p.change.Unlock()
	var all sync.WaitGroup
	for _, l := range p.replaceToxics(up, down) {
		all.Go(func() { l.up.poison(up) })
		all.Go(func() { l.down.poison(down) })
	}
	all.Wait()
}

// Heal takes every toxic away.
func (p *Proxy) Heal() { p.Poison(nil, nil) }

func (p *Proxy) replaceToxics(up, down toxics.Toxic) []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.up, p.down = up, down
	return p.openLocked()
}

func (p *Proxy) openLocked() []*link {
	links := make([]*link, 0, len(p.links))
	for l := range p.links {
		links = append(links, l)
	}
	return links
}

// Close ends every link and returns when nothing of the proxy runs any more.
func (p *Proxy) Close() error {
	err := p.listener.Close()
	for _, l := range p.shut() {
		l.close()
	}
	p.Heal() // lets go those that a black hole holds
	p.running.Wait()
	return err
}

func (p *Proxy) shut() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return p.openLocked()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.accepted.Add(1)
		p.running.Go(func() { p.connect(client.(*net.TCPConn)) })
	}
}

func (p *Proxy) connect(client *net.TCPConn) {
	server, err := net.DialTimeout("tcp", p.upstream, dialTimeout)
	if err != nil {
		client.Close()
		return
	}
	p.open(client, server.(*net.TCPConn))
}

func (p *Proxy) open(client, server *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		client.Close()
		server.Close()
		return
	}
	l := newLink(client, server)
	p.links[l] = true
	l.start(p, p.up, p.down)
}

func (p *Proxy) forget(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}
