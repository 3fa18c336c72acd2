package toxicproxy

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// pipeDepth is how many chunks may be under way in one direction, the most that any of toxiproxy's toxics asks for.
const pipeDepth = 1024

// A link is a connection of a client with the one to the server that it stands for.
type link struct {
	client, server *net.TCPConn
	up, down       *pipe
	ending         atomic.Int32 // pipes that have ended
}

func newLink(client, server *net.TCPConn) *link {
	l := &link{client: client, server: server}
	l.up, l.down = newPipe(client, server), newPipe(server, client)
	return l
}

func (l *link) start(p *Proxy, up, down toxics.Toxic) {
	for _, s := range []struct {
		pipe  *pipe
		toxic toxics.Toxic
	}{{l.up, up}, {l.down, down}} {
		s.pipe.run(s.toxic)
		p.running.Go(s.pipe.read)
		p.running.Go(func() {
			s.pipe.write()
			if l.ending.Add(1) == 2 {
				p.forget(l)
			}
		})
	}
}

func (l *link) close() {
	l.client.Close()
	l.server.Close()
}

// A pipe is one direction of a link: read ─▶ in ─▶ toxic ─▶ out ─▶ write.
type pipe struct {
	from, to *net.TCPConn
	in, out  chan *stream.StreamChunk
	stub     *toxics.ToxicStub

	mu sync.Mutex
	// guarded by mu

	toxic toxics.Toxic
}

func newPipe(from, to *net.TCPConn) *pipe {
	in, out := make(chan *stream.StreamChunk, pipeDepth), make(chan *stream.StreamChunk)
	return &pipe{from: from, to: to, in: in, out: out, stub: toxics.NewToxicStub(in, out)}
}

// run begins the toxic's work. It ends with the pipe, or when another one takes its place.
func (p *pipe) run(toxic toxics.Toxic) {
	p.setToxic(toxic)
	go p.stub.Run(&toxics.ToxicWrapper{Toxic: toxic, Toxicity: 1})
}

// poison puts another toxic in the place of the one that runs.
func (p *pipe) poison(toxic toxics.Toxic) {
	if !p.stub.InterruptToxic() {
		return // the pipe has ended
	}
	if swallowed, ok := p.currentToxic().(toxics.CleanupToxic); ok {
		swallowed.Cleanup(p.stub)
	}
	if !p.stub.Closed() {
		p.run(toxic)
	}
}

func (p *pipe) setToxic(toxic toxics.Toxic) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.toxic = toxic
}

func (p *pipe) currentToxic() toxics.Toxic {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.toxic
}

func (p *pipe) read() {
	defer close(p.in)
	buf := make([]byte, 32<<10)
	for {
		n, err := p.from.Read(buf)
		if n > 0 {
			p.in <- &stream.StreamChunk{Data: append([]byte(nil), buf[:n]...), Timestamp: time.Now()}
		}
		if err != nil {
			return
		}
	}
}

// write goes on taking what the toxic gives when the receiver is gone: who stopped would leave the toxic, and whoever wants
// to replace it, waiting for good.
func (p *pipe) write() {
	gone := false
	for chunk := range p.out {
		if gone {
			continue
		}
		if _, err := p.to.Write(chunk.Data); err != nil {
			gone = true
			p.from.Close()
		}
	}
	if _, ok := p.currentToxic().(*toxics.ResetToxic); ok {
		p.from.SetLinger(0)
		p.to.SetLinger(0)
	}
	p.to.Close()
	// The toxic may have ended before its input has: a reset does. Nobody reads that any more.
	p.from.Close()
	for range p.in {
	}
}
