package testdb

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
)

// Synchronous is a setting for Replicated: a commit is acknowledged only when
// the standby has it too, so that none is lost by a failover. The standby may be
// a moment behind in applying it; "synchronous_commit = remote_apply" waits for
// that as well.
//
// While the standby is away, commits on the primary wait for it. One that is
// canceled meanwhile is acknowledged nevertheless, with a warning (SQLSTATE
// 01000, "canceling wait for synchronous replication"): it may be lost.
const Synchronous = "synchronous_standby_names = '" + standbyName + "'"

// Pair is a primary and a standby that streams from it, with one database. Each
// is named by how it began: Promote makes the standby writable, and it is still
// the Standby. Safe for concurrent use.
//
// The standby accepts reads. Stopped and restarted, either of them finds the
// other again. After Promote they are two servers that know nothing of each
// other: a primary that still runs, or is restarted, accepts writes.
type Pair struct {
	Name string // of the database

	primary, standby *Server
}

// Replicated starts a Pair of the test's own, which takes a few seconds, and
// gives it a fresh empty database. Both are gone after the test. The settings,
// lines of postgresql.conf such as Synchronous, are for both; only
// synchronous_standby_names is the primary's alone, or the standby would wait
// for one as well once it is promoted.
//
// "synchronous_commit" is on: what the primary has acknowledged, it has itself
// after a crash. NoLeaks looks at the database on both servers.
//
// Replicated needs what Private needs, and skips the test where Private does.
func Replicated(t testing.TB, settings ...string) *Pair {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	p, dbs, err := startPair(ctx, settings)
	needServer(t, err)
	for _, db := range dbs {
		db.discard = func(context.Context) error { return db.Server.Close() }
		db.discardAfter(t)
	}
	return p
}

// Primary is the server that began as the primary.
func (p *Pair) Primary() *Server { return p.primary }

// Standby is the server that began as the standby.
func (p *Pair) Standby() *Server { return p.standby }

// DSN is one URL of the database on both servers, the primary first, through
// TCP, and with parameters such as "target_session_attrs=read-write". Its role
// is no superuser and owns the database, as by DB.OrdinaryDSN. It holds the
// password. net/url does not parse a URL with two hosts; pgx does.
func (p *Pair) DSN(params ...string) string {
	return p.url(p.primary.cluster.address()+","+p.standby.cluster.address(), params)
}

// PrimaryDSN is DSN with the primary alone.
func (p *Pair) PrimaryDSN(params ...string) string {
	return p.url(p.primary.cluster.address(), params)
}

// StandbyDSN is DSN with the standby alone.
func (p *Pair) StandbyDSN(params ...string) string {
	return p.url(p.standby.cluster.address(), params)
}

func (p *Pair) url(host string, params []string) string {
	q := url.Values{}
	for _, param := range params {
		name, value, _ := strings.Cut(param, "=")
		q.Set(name, value)
	}
	return p.primary.cluster.url(ordinaryUser, host, p.Name, q)
}

// close ends both.
func (p *Pair) close() error { return errors.Join(p.standby.Close(), p.primary.Close()) }
