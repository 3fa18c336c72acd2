package pooldriver

import (
	"encoding/binary"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// A prologue is what goes to the server before what pgx sends next, in the same write, and whose answer pgx does not get to
// see. It is used by the goroutine that uses the connection.
//
// There are two forms. Messages of the extended protocol without a Sync have a known number of answers; an error ends what
// follows too, and is pgx's, as the answer to that. A message of the simple protocol is answered up to ReadyForQuery, its
// error is kept, and what follows runs all the same.
type prologue struct {
	messages []byte // still to be sent
	answers  int    // of what was sent, how many are to come; -1 is up to ReadyForQuery
	count    int    // what answers will be when it is sent
	failed   error  // what the server said to a message of the simple protocol

	in  []byte // what was read and not looked at
	out []byte // what was looked at and is to be passed on, from at on
	at  int
}

var errPrologue = errors.New("poolsql: bug: the settings of a call cannot go before what is sent")

func (p *prologue) arm(messages []byte, answers int) {
	p.messages, p.count, p.failed = messages, answers, nil
	if answers == 0 {
		p.count = -1
	}
}

func (p *prologue) disarm() { p.messages = nil }

// failure returns what the server said to a message of the simple protocol, or that it was not sent.
func (p *prologue) failure() error {
	if p.messages != nil {
		return errPrologue
	}
	return p.failed
}

// passes reports whether b may go by itself, before the statement: it closes prepared statements, which runs nothing. Nor could
// what goes with that fail: pgx leaves the rest of the answer unread then, and takes it for that of the next statement.
func (p *prologue) passes(b []byte) bool {
	if p.count < 0 {
		return false
	}
	for len(b) >= 5 && (b[0] == 'C' || b[0] == 'S') {
		size := 1 + int(binary.BigEndian.Uint32(b[1:]))
		if size < 5 || size > len(b) {
			return false
		}
		b = b[size:]
	}
	return len(b) == 0
}

// before returns what to write in place of b.
func (p *prologue) before(b []byte) ([]byte, error) {
	if simple := len(b) > 0 && b[0] == 'Q'; simple != (p.count < 0) {
		return nil, errPrologue // which closes the connection: nothing may run without
	}
	all := append(p.messages[:len(p.messages):len(p.messages)], b...)
	p.messages, p.answers = nil, p.count
	return all, nil
}

// pass takes what was read off the answers to the prologue, and keeps the rest for read.
func (p *prologue) pass(read []byte) {
	p.in = append(p.in, read...)
	rest := p.in
	for p.answers != 0 && len(rest) >= 5 {
		size := 1 + int(binary.BigEndian.Uint32(rest[1:]))
		if size < 5 || len(rest) < size {
			break
		}
		if message := rest[:size]; !p.takes(message) {
			p.out = append(p.out, message...)
		}
		rest = rest[size:]
	}
	if p.answers == 0 {
		p.out = append(p.out, rest...)
		rest = nil
	}
	p.in = append(p.in[:0], rest...)
}

// takes reports whether message is an answer to the prologue.
func (p *prologue) takes(message []byte) bool {
	simple := p.answers < 0
	switch kind := message[0]; {
	case kind == 'N' || kind == 'S' || kind == 'A': // may come at any time
		return false
	case kind == 'E' && !simple:
		p.answers = 0
		return false
	case kind == 'E':
		var said pgproto3.ErrorResponse
		p.failed = errPrologue
		if said.Decode(message[5:]) == nil {
			p.failed = pgconn.ErrorResponseToPgError(&said)
		}
		if said.Severity == "FATAL" || said.SeverityUnlocalized == "FATAL" { // the last that it says
			p.answers = 0
			return false
		}
	case kind == 'Z' && simple:
		p.answers = 0
	case !simple:
		p.answers--
	}
	return true
}

// pending reports whether pgx is to read from here.
func (p *prologue) pending() bool { return p.answers != 0 || p.at < len(p.out) }

// read moves what is passed on to b.
func (p *prologue) read(b []byte) int {
	n := copy(b, p.out[p.at:])
	if p.at += n; p.at == len(p.out) {
		p.out, p.at = p.out[:0], 0
	}
	return n
}
