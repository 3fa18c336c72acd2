package health

import (
	"context"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/connector/pgbouncer"
)

// PgBouncer is what PgBouncer's console said of the pools of the database that the pool connects to, all users together.
type PgBouncer struct {
	Database string `json:"database"`
	// Clients are connections to PgBouncer, of all programs; those that wait want a server's connection and have none.
	ClientsActive  int64 `json:"clientsActive"`
	ClientsWaiting int64 `json:"clientsWaiting"`
	// MaxWaitMs is for how long the first of those has waited.
	MaxWaitMs float64 `json:"maxWaitMs"`
	// Servers are connections from PgBouncer to the server, of which the active are linked to a client.
	ServersActive int64 `json:"serversActive"`
	ServersIdle   int64 `json:"serversIdle"`
	Servers       int64 `json:"servers"`
	// At is when it was asked. Error says why it has not answered, in words of ours.
	At    time.Time `json:"at"`
	Error string    `json:"error,omitempty"`

	maxWait time.Duration
}

// findConsole sees to it that there is a client if there is a console.
func (m *Monitor) findConsole() error {
	cfg := m.pool.Config()
	if cfg.ConnConfig != nil {
		m.dbname = cfg.ConnConfig.Database
	}
	if m.client != nil || cfg.PgBouncerConsole == "" {
		return nil
	}
	client, err := pgbouncer.New(cfg.PgBouncerConsole)
	if err != nil {
		return err
	}
	m.client, m.own = client, true
	return nil
}

// askConsole asks the console, if there is one.
func (m *Monitor) askConsole() {
	if m.client == nil {
		return
	}
	ctx, cancel := context.WithTimeout(m.ctx, m.cfg.ProbeTimeout)
	defer cancel()
	pools, err := m.client.Pools(ctx)
	console := &PgBouncer{Database: m.dbname, At: time.Now()}
	if err != nil {
		console.Error = cause(err)
	}
	for i := range pools {
		if p := &pools[i]; p.Database == m.dbname {
			console.ClientsActive += p.ClientsActive
			console.ClientsWaiting += p.ClientsWaiting
			console.ServersActive += p.ServersActive
			console.ServersIdle += p.ServersIdle
			console.Servers += p.Servers()
			console.maxWait = max(console.maxWait, p.MaxWait)
		}
	}
	console.MaxWaitMs = millis(console.maxWait)
	m.pool.NotePgBouncer(connector.PgBouncerStats{
		At: console.At, Up: err == nil, ClientsActive: console.ClientsActive, ClientsWaiting: console.ClientsWaiting,
		MaxWait: console.maxWait, ServersActive: console.ServersActive, ServersIdle: console.ServersIdle,
		ServersOther: console.Servers - console.ServersActive - console.ServersIdle,
	})
	m.mu.Lock()
	m.console = console
	m.mu.Unlock()
}

// full reports whether all of PgBouncer's connections to the server are linked to clients, so that others have to wait for one.
// c may be nil.
func (c *PgBouncer) full() bool {
	return c != nil && c.Error == "" && c.ServersActive > 0 && c.ServersActive == c.Servers
}
