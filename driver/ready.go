package pooldriver

import "io"

// Whether the server has something to do for us shows in its messages, and with TLS nowhere below them: the last of an answer
// is ReadyForQuery. So what pgx reads and writes is looked at where it is plain.

// answers is what pgx reads from.
type answers struct {
	io.Reader
	socket *socket
}

// readyForQuery is the message without its last byte, the state of the transaction.
const readyForQuery = "Z\x00\x00\x00\x05"

// Read notes that an answer is complete, if what came ends with the message that says so. That is not seen where the message
// comes in pieces, and may be seen in data that looks like it, which costs no more than a connection whose wait was cut off.
func (a answers) Read(b []byte) (int, error) {
	if p := &a.socket.prologue; p.pending() {
		return a.readBehind(p, b)
	}
	return a.read(b)
}

// readBehind is Read where something comes that pgx has not asked for.
func (a answers) readBehind(p *prologue, b []byte) (int, error) {
	for p.at == len(p.out) {
		n, err := a.read(b)
		if n > 0 {
			p.pass(b[:n])
		}
		if err != nil && p.at == len(p.out) {
			return 0, err
		}
	}
	return p.read(b), nil
}

func (a answers) read(b []byte) (int, error) {
	n, err := a.Reader.Read(b)
	if end := n - len(readyForQuery) - 1; end >= 0 && b[end] == 'Z' && string(b[end:n-1]) == readyForQuery {
		a.socket.ready.Store(true)
	}
	return n, err
}

// questions is what pgx writes to.
type questions struct {
	io.Writer
	socket *socket
}

func (q questions) Write(b []byte) (int, error) {
	q.socket.ready.Store(false)
	if p := &q.socket.prologue; p.messages != nil && !p.passes(b) {
		all, err := p.before(b)
		if err != nil {
			return 0, err
		}
		n, err := q.Writer.Write(all)
		return max(0, n-(len(all)-len(b))), err
	}
	return q.Writer.Write(b)
}
