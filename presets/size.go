package presets

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// What OptimalSize assumes where a [Workload] says nothing.
const (
	// DefaultMaxConnections is PostgreSQL's default of max_connections.
	DefaultMaxConnections = 100
	// DefaultReserved is PostgreSQL's default of superuser_reserved_connections.
	DefaultReserved = 3
	// DefaultOthers is what is left to migrations, monitoring, backups and people.
	DefaultOthers = 5
	// DefaultMemoryPerConn is what a connection costs the server, in bytes, when its statements are small: about 10 MB. A
	// sort or a hash may take work_mem more, several times over.
	DefaultMemoryPerConn = 10 << 20
)

// A Workload says for what [OptimalSize] is to find a size. Only ServerCores has to be known.
type Workload struct {
	// ServerCores are the cores of the database's server, of which those that are two threads count once. The cores of the
	// program do not matter: what runs there is not the statements.
	ServerCores int
	// Spindles are how many reads from storage can go on at once beside the cores: the disks of an array of disks; 0 where
	// the data that is in use fits into memory; 1 to begin with for an SSD. The formula was found with disks, so measure
	// where storage is what limits.
	Spindles int

	// MaxConnections is the server's setting of that name. Defaults to DefaultMaxConnections.
	MaxConnections int
	// Reserved are superuser_reserved_connections and, from PostgreSQL 16 on, reserved_connections, together. Defaults to
	// DefaultReserved; -1 is none.
	Reserved int
	// Others are the connections to leave to all but this application. Defaults to DefaultOthers; -1 is none.
	Others int
	// Instances is how many of this application run at once, at the most: a deployment that starts the new ones before
	// the old ones end has twice as many. Defaults to 1.
	Instances int

	// Rate is how many transactions a second all instances together shall do, and HoldTime is for how long one holds its
	// connection, from BEGIN to COMMIT with what the program does between them; without transactions, a statement's time.
	// Both or neither. Without them the size is what the server can use.
	Rate     float64
	HoldTime time.Duration

	// ServerMemory is what the server has for connections, in bytes, beside shared_buffers and the system's cache. Zero is
	// unknown. MemoryPerConn defaults to DefaultMemoryPerConn.
	ServerMemory, MemoryPerConn int64
}

// A Size is what [OptimalSize] found.
type Size struct {
	// MinConns and MaxConns are for the Config of each instance.
	MinConns, MaxConns int
	// Total is MaxConns of all instances together.
	Total int
	// Reasons say, a sentence each, how the size came about, in the order in which it did.
	Reasons []string
}

// String returns the size and its reasons, a line each.
func (s Size) String() string {
	return fmt.Sprintf("MinConns %d, MaxConns %d\n%s", s.MinConns, s.MaxConns, strings.Join(s.Reasons, "\n"))
}

// OptimalSize returns how many connections the pool of each instance should have.
//
// It begins with what keeps the server's cores busy,
//
//	cores x 2 + spindles
//
// a rule of thumb from measurements by PostgreSQL's developers (PostgreSQL wiki, "Number Of Database Connections"), which
// HikariCP's wiki made known ("About Pool Sizing"). It is for the server as a whole. So it is divided among the instances, and
// lowered to what the load needs, to what the server lets in, and to what its memory bears; the reasons say which of these
// it was. MinConns is a fifth of MaxConns, at least 1.
//
// What the load needs is the mean number of connections in use, a = Rate x HoldTime (Little's law), and 2 x sqrt(a) more.
// If calls come at random, one in ten then waits where a is 1, and one in forty where it is large. If that is more than the
// server's cores can use, the size stays at what they can use: more connections would make everything slower, and the
// reasons say so.
//
// The result is where to begin to measure, and never a guarantee: it knows nothing of locks, of the network, and of slow
// statements beside fast ones. If a goroutine takes a second connection while it holds one, see that MaxConns is above
// goroutines x (connections each - 1), or they can wait for each other.
//
// It fails, with everything that is wrong with w joined, if a number makes no sense, or if the server does not let in one
// connection for each instance.
func OptimalSize(w Workload) (Size, error) {
	if err := w.check(); err != nil {
		return Size{}, fmt.Errorf("poolsql: no pool size: %w", err)
	}
	w.setDefaults()
	admitted := (w.MaxConnections - w.Reserved - w.Others) / w.Instances
	if admitted < 1 {
		return Size{}, fmt.Errorf("poolsql: no pool size: the server lets in %d connections less %d reserved and %d for others, "+
			"which is not one for each of %d instances: raise max_connections, run fewer instances, or put PgBouncer between them",
			w.MaxConnections, w.Reserved, w.Others, w.Instances)
	}
	var s Size
	s.MaxConns = s.begin(&w)
	s.limitToLoad(&w)
	s.limitTo(admitted, fmt.Sprintf("max_connections %d, less %d reserved and %d for others, for %s",
		w.MaxConnections, w.Reserved, w.Others, instances(w.Instances)))
	if w.ServerMemory > 0 {
		bearable := int(min(w.ServerMemory/w.MemoryPerConn/int64(w.Instances), maxConnections))
		if bearable < 1 {
			return Size{}, fmt.Errorf("poolsql: no pool size: ServerMemory is not enough for a connection of %d MB for each of "+
				"%d instances", w.MemoryPerConn>>20, w.Instances)
		}
		s.limitTo(bearable, fmt.Sprintf("the server's memory, %d MB at %.3g MB a connection, for %s",
			w.ServerMemory>>20, float64(w.MemoryPerConn)/(1<<20), instances(w.Instances)))
	}
	s.MinConns = max(1, s.MaxConns/5)
	s.Total = s.MaxConns * w.Instances
	s.say("so %d for each instance, %d in all; a fifth, %d, kept open", s.MaxConns, s.Total, s.MinConns)
	return s, nil
}

func (s *Size) say(format string, args ...any) {
	s.Reasons = append(s.Reasons, fmt.Sprintf(format, args...))
}

func instances(n int) string {
	if n == 1 {
		return "1 instance"
	}
	return fmt.Sprintf("%d instances", n)
}

// begin returns an instance's part of what the server's cores can use.
func (s *Size) begin(w *Workload) int {
	busy := w.ServerCores*2 + w.Spindles
	s.say("the server is kept busy by %d connections: %d cores x 2 + %d spindles", busy, w.ServerCores, w.Spindles)
	if w.Instances == 1 {
		return busy
	}
	part := max(1, busy/w.Instances)
	if busy < w.Instances {
		s.say("%d instances want 1 each, which is more than that: with PgBouncer between them they would share", w.Instances)
	} else {
		s.say("divided among %d instances: %d each", w.Instances, part)
	}
	return part
}

// limitToLoad lowers the size to what the load needs.
func (s *Size) limitToLoad(w *Workload) {
	if w.Rate == 0 {
		return
	}
	inUse := w.Rate * w.HoldTime.Seconds()
	// An instance has its part of the load, and a share of luck of its own: the parts' needs are more than the whole's.
	part := inUse / float64(w.Instances)
	needed := math.Max(1, math.Ceil(part+2*math.Sqrt(part)))
	s.say("%.4g a second at %s each hold %.3g connections on average (rate x time), so each instance needs %.0f with room for chance",
		w.Rate, w.HoldTime, inUse, needed)
	if needed > float64(s.MaxConns) {
		s.say("that is more than the %d that the server can use: more would make it slower; shorten the transactions, or get a "+
			"larger server", s.MaxConns)
		return
	}
	s.limitTo(int(needed), "the load needs no more")
}

// limitTo lowers the size to limit, and says why.
func (s *Size) limitTo(limit int, why string) {
	if limit < s.MaxConns {
		s.say("lowered from %d to %d: %s", s.MaxConns, limit, why)
		s.MaxConns = limit
	}
}

func (w *Workload) setDefaults() {
	set := func(n *int, value int) {
		switch *n {
		case 0:
			*n = value
		case -1:
			*n = 0
		}
	}
	set(&w.MaxConnections, DefaultMaxConnections)
	set(&w.Reserved, DefaultReserved)
	set(&w.Others, DefaultOthers)
	set(&w.Instances, 1)
	if w.MemoryPerConn == 0 {
		w.MemoryPerConn = DefaultMemoryPerConn
	}
}

// mostCores and mostInstances are more than there are, and keep the arithmetic far from overflow.
const (
	mostCores     = 1 << 16
	mostInstances = 1 << 20
)

func (w *Workload) check() error {
	var errs []error
	within := func(name string, n, low, high int) {
		if n < low || n > high {
			errs = append(errs, fmt.Errorf("%s is %d: want %d to %d", name, n, low, high))
		}
	}
	within("ServerCores", w.ServerCores, 1, mostCores)
	within("Spindles", w.Spindles, 0, mostCores)
	within("MaxConnections", w.MaxConnections, 0, maxConnections)
	within("Reserved", w.Reserved, -1, maxConnections)
	within("Others", w.Others, -1, maxConnections)
	within("Instances", w.Instances, 0, mostInstances)
	if w.Rate < 0 || math.IsNaN(w.Rate) || math.IsInf(w.Rate, 0) {
		errs = append(errs, fmt.Errorf("Rate is %v: want a number of transactions a second", w.Rate))
	}
	if w.HoldTime < 0 {
		errs = append(errs, fmt.Errorf("HoldTime is %s: must not be negative", w.HoldTime))
	}
	if (w.Rate > 0) != (w.HoldTime > 0) {
		errs = append(errs, errors.New("one of Rate and HoldTime is set: want both or neither"))
	}
	if w.ServerMemory < 0 {
		errs = append(errs, fmt.Errorf("ServerMemory is %d: must not be negative", w.ServerMemory))
	}
	if w.MemoryPerConn < 0 {
		errs = append(errs, fmt.Errorf("MemoryPerConn is %d: must not be negative", w.MemoryPerConn))
	}
	return errors.Join(errs...)
}
