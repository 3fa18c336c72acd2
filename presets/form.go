package presets

import (
	"strconv"
	"strings"
	"time"

	"github.com/poolsql/poolsql/connector"
)

// The types of the variables. Each reads one form, and its error says that form and nothing else: errors of strconv and
// of package time quote what they could not read.

// A form is the error of a value that does not parse: what it should be.
type form string

func (f form) Error() string { return string(f) }

// maxConnections is the most that PostgreSQL's max_connections can say.
const maxConnections = 262143

// connCount is a number of connections, at least one.
type connCount int

func (c *connCount) UnmarshalText(text []byte) error {
	return read((*int)(c), text, 1, maxConnections, "want a whole number from 1 to 262143")
}

// connCountOrNone is a number of connections that may be 0.
type connCountOrNone int

func (c *connCountOrNone) UnmarshalText(text []byte) error {
	return read((*int)(c), text, 0, maxConnections, "want a whole number from 0 to 262143")
}

type portNumber int

func (p *portNumber) UnmarshalText(text []byte) error {
	return read((*int)(p), text, 1, 65535, "want a port: a whole number from 1 to 65535")
}

// maxMillis is 24 days, the most that the server's settings of time can say.
const maxMillis = 1<<31 - 1

// millis is a time in milliseconds, of which 0 is said to mean something.
type millis int

func (m *millis) UnmarshalText(text []byte) error {
	return read((*int)(m), text, 0, maxMillis, "want milliseconds: a whole number from 0 to 2147483647, without a unit")
}

func (m millis) duration() time.Duration { return time.Duration(m) * time.Millisecond }

// orNone is the duration, with 0 for no limit, as a Config has it.
func (m millis) orNone() time.Duration {
	if m == 0 {
		return connector.None
	}
	return m.duration()
}

// someMillis is a time in milliseconds that cannot be 0.
type someMillis int

func (m *someMillis) UnmarshalText(text []byte) error {
	return read((*int)(m), text, 1, maxMillis, "want milliseconds: a whole number from 1 to 2147483647, without a unit")
}

func (m someMillis) duration() time.Duration { return millis(m).duration() }

// read sets n to the number that text is, if it is between low and high. Digits alone are one: "+5" and "1e3" are more
// often a mistake than a number.
func read(n *int, text []byte, low, high int, want form) error {
	if strings.Trim(string(text), "0123456789") != "" {
		return want
	}
	value, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || value < int64(low) || value > int64(high) {
		return want
	}
	*n = int(value)
	return nil
}

type onOff bool

func (b *onOff) UnmarshalText(text []byte) error {
	switch strings.ToLower(string(text)) {
	case "true":
		*b = true
	case "false":
		*b = false
	default:
		return form("want true or false")
	}
	return nil
}

// sslMode is DATABASE_SSL as the word that pgx and libpq have for it.
type sslMode string

func (m *sslMode) UnmarshalText(text []byte) error {
	switch word := strings.ToLower(string(text)); word {
	case "true":
		*m = "verify-full"
	case "false":
		*m = "disable"
	case "disable", "allow", "prefer", "require", "verify-ca", "verify-full":
		*m = sslMode(word)
	default:
		return form("want true (verify-full), false (disable), or one of disable, allow, prefer, require, verify-ca, verify-full")
	}
	return nil
}

type poolMode string

func (m *poolMode) UnmarshalText(text []byte) error {
	switch word := strings.ToLower(string(text)); word {
	case "session", "transaction", "statement":
		*m = poolMode(word)
		return nil
	}
	return form("want session, transaction or statement")
}

func (p *preset) UnmarshalText(text []byte) error {
	found, ok := find(string(text))
	if !ok {
		return form("want " + wantPreset)
	}
	*p = found
	return nil
}
