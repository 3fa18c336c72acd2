package presets

import (
	"errors"
	"strings"
	"time"

	"github.com/poolsql/poolsql/connector"
)

// preset is what a preset decides. The rest of a Config is left as it is.
type preset struct {
	name               string
	minConns, maxConns int
	idleTime           time.Duration // MaxConnIdleTime
	connect            time.Duration // ConnectTimeout
	acquire            time.Duration // AcquireTimeout
	statement          time.Duration // StatementTimeout
}

var (
	development = preset{
		name: "development", minConns: 2, maxConns: 10,
		idleTime: time.Minute, connect: 5 * time.Second, acquire: 10 * time.Second, statement: 30 * time.Second,
	}
	production = preset{
		name: "production", minConns: 10, maxConns: 50,
		idleTime: 30 * time.Second, connect: 10 * time.Second, acquire: 30 * time.Second, statement: time.Minute,
	}
	highThroughput = preset{
		name: "high-throughput", minConns: 20, maxConns: 100,
		idleTime: 10 * time.Second, connect: 5 * time.Second, acquire: 15 * time.Second, statement: 30 * time.Second,
	}
	lowLatency = preset{
		name: "low-latency", minConns: 20, maxConns: 50,
		idleTime: time.Minute, connect: 3 * time.Second, acquire: 5 * time.Second, statement: 10 * time.Second,
	}
	serverless = preset{
		name: "serverless", minConns: 0, maxConns: 10,
		idleTime: 5 * time.Second, connect: 10 * time.Second, acquire: 20 * time.Second, statement: 30 * time.Second,
	}
	all = []preset{development, production, highThroughput, lowLatency, serverless}
)

// Development is for a database on the same machine, of which a few programs and people have a share.
//
//	MinConns 2, MaxConns 10, MaxConnIdleTime 1m, ConnectTimeout 5s, AcquireTimeout 10s, StatementTimeout 30s
//
// The arithmetic: a server as it is installed lets 97 connections in (max_connections = 100 less 3 that are reserved), so
// nine such programs fit beside psql. Ten connections are few enough that a connection which is not given back shows on
// the same day, after ten calls and ten seconds, as an error that names its holder. That is the reason to use it in tests too.
//
// Do not use it to measure: a laptop with the server on it saturates at about 2 x cores + 1 connections, and the program
// takes cores from the server.
func Development() connector.Config { return development.config() }

// Production is for one service with mixed work on a database server of its own.
//
//	MinConns 10, MaxConns 50, MaxConnIdleTime 30s, ConnectTimeout 10s, AcquireTimeout 30s, StatementTimeout 1m
//
// The arithmetic: by 2 x cores + spindles (see [OptimalSize]) 50 connections keep a server of 24 cores busy; on a smaller
// one they mostly wait for each other inside the server, where no priority counts. At 5 ms a transaction they carry 10,000
// transactions a second, at 50 ms 1,000. Ten idle ones cost the server about 100 MB.
//
// Do not use it as it is with more than one instance on a server with max_connections = 100: two want 100 connections of
// the 97 that it has, and a rolling deployment makes two of one. OptimalSize divides. The timeouts are limits against
// hanging, not against slowness: a call may take 90 seconds, 30 in the queue and 60 on the server. What answers a person
// needs a deadline of its own. Thirty seconds of idleness suit load that comes and goes over minutes; where it does so over
// hours and the server's fork is what hurts, say ten minutes.
func Production() connector.Config { return production.config() }

// HighThroughput is for many short statements, on a large server that was made ready for it.
//
//	MinConns 20, MaxConns 100, MaxConnIdleTime 10s, ConnectTimeout 5s, AcquireTimeout 15s, StatementTimeout 30s
//
// The arithmetic: 100 connections keep about 48 cores busy, and need max_connections of at least 103 for each instance at
// once: 100, the 3 that are reserved, and some for everybody else. PostgreSQL's default of 100 is too little even for one;
// the attempts above it fail, and callers wait for the connections that there are. At 2 ms a statement 100 connections carry
// 50,000 statements a second. Ten seconds of idleness give a peak's connections back soon; each peak then pays for up to 80
// new ones, a fork of the server and some milliseconds each.
//
// Do not use it to make a slow database faster. Above the size that its cores can use, throughput falls and latency grows
// with each further connection: measure first.
func HighThroughput() connector.Config { return highThroughput.config() }

// LowLatency is for calls that somebody waits for, which should rather fail soon than be late.
//
//	MinConns 20, MaxConns 50, MaxConnIdleTime 1m, ConnectTimeout 3s, AcquireTimeout 5s, StatementTimeout 10s
//
// The arithmetic: 20 connections stay open from the first use on, so that 20 calls at once find one without a dial, which
// costs some milliseconds, or tens of them with TLS; at 5 ms a call that is 4,000 calls a second. A call takes 15 seconds at
// the very most, 5 in the queue and 10 on the server. Three seconds to connect are a thousand round trips inside a data center.
//
// The 20 are opened after the first use: call Connector.Warmup before traffic comes. Do not use it for reports and
// migrations, which take longer than 10 seconds (priority.WithTimeout, priority.WithoutLimits); nor across continents,
// where a failed DNS look-up or a lost packet alone may take 3 seconds.
func LowLatency() connector.Config { return lowLatency.config() }

// Serverless is for instances that come and go, many at a time, each with little to do.
//
//	MinConns 0, MaxConns 10, MaxConnIdleTime 5s, ConnectTimeout 10s, AcquireTimeout 20s, StatementTimeout 30s
//
// The arithmetic: nothing is kept open, and 5 seconds after the last call nothing is open. But ten connections are ten for
// each instance: at max_connections = 100 the tenth instance is refused. Where an instance serves one request at a time, as
// functions do, 1 is enough (2 with a transaction beside it), and all else is for the peak that takes the database down: set
// MaxConns. Above a few dozen instances put PgBouncer in front.
//
// A platform that freezes instances between requests freezes the idle timer too: the connections stay open until the next
// request or the end. They are pinged then before they serve; the server has its own limit, idle_session_timeout. Do
// not use it for a service that runs all day: it would open and close connections for nothing.
func Serverless() connector.Config { return serverless.config() }

// Names returns the names of the presets, as [ByName] takes them: "development", "production", "high-throughput",
// "low-latency", "serverless".
func Names() []string {
	names := make([]string, len(all))
	for i, p := range all {
		names[i] = p.name
	}
	return names
}

// ByName returns the preset of that name, for configuration files. Case, hyphens, underscores and spaces do not matter:
// "high-throughput", "highThroughput" and "HIGH_THROUGHPUT" are one. The error lists the names, and not the one that was
// asked for.
func ByName(name string) (connector.Config, error) {
	p, ok := find(name)
	if !ok {
		return connector.Config{}, errors.New("poolsql: no such preset: want " + wantPreset)
	}
	return p.config(), nil
}

var wantPreset = "one of " + strings.Join(Names(), ", ")

func find(name string) (preset, bool) {
	folded := fold.Replace(strings.ToLower(name))
	for _, p := range all {
		if fold.Replace(p.name) == folded {
			return p, true
		}
	}
	return preset{}, false
}

var fold = strings.NewReplacer("-", "", "_", "", " ", "")

func (p *preset) config() connector.Config {
	var cfg connector.Config
	p.applyTo(&cfg)
	return cfg
}

// applyTo sets in cfg what a preset decides.
func (p *preset) applyTo(cfg *connector.Config) {
	cfg.MinConns, cfg.MaxConns = p.minConns, p.maxConns
	cfg.MaxConnIdleTime, cfg.ConnectTimeout = p.idleTime, p.connect
	cfg.AcquireTimeout, cfg.StatementTimeout = p.acquire, p.statement
}
