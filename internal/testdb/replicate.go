package testdb

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"
)

// standbyName is the standby's application_name on the primary.
const standbyName = "poolsql_standby"

// alone comes last where no standby may be waited for.
const alone = "synchronous_standby_names = ''"

// pairSettings come after those of every server. A standby that was away finds
// all it has missed, unless that is a gigabyte, and tries again ten times a
// second instead of every five seconds.
var pairSettings = []string{
	"wal_level = replica",
	"max_wal_senders = 5",
	"synchronous_commit = on",
	"wal_keep_size = '1GB'",
	"wal_retrieve_retry_interval = '100ms'",
}

// startPair starts both, and returns them with the database on each. On an
// error nothing is left running.
func startPair(ctx context.Context, settings []string) (*Pair, []*DB, error) {
	primary, err := newCluster()
	if err != nil {
		return nil, nil, fmt.Errorf("testdb: %w", err)
	}
	standby, err := newCluster()
	if err != nil {
		return nil, nil, fmt.Errorf("testdb: %w", errors.Join(err, primary.close()))
	}
	p, err := replicate(ctx, primary, standby, append(pairSettings[:len(pairSettings):len(pairSettings)], settings...))
	if err != nil {
		err = fmt.Errorf("testdb: %w", errors.Join(err, standby.close(), primary.close()))
		return nil, nil, err
	}
	dbs, err := p.createDatabase(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, p.close())
	}
	return p, dbs, nil
}

// replicate copies the primary's files while it is stopped: that needs no other
// program, and pg_basebackup is not everywhere. The primary has run once before,
// as its data then names its own settings, max_connections among them, and not
// those of initdb: a standby refuses to have less than what it finds there.
func replicate(ctx context.Context, primary, standby *cluster, settings []string) (*Pair, error) {
	settings = settings[:len(settings):len(settings)] // each append is a copy
	if err := primary.create(ctx, append(settings, alone)); err != nil {
		return nil, err
	}
	if err := primary.stop(ctx, Fast); err != nil {
		return nil, err
	}
	if err := standby.copyFrom(ctx, primary); err != nil {
		return nil, fmt.Errorf("copy the primary: %w", err)
	}
	if err := primary.startOnFreePort(ctx, settings); err != nil {
		return nil, fmt.Errorf("the primary: %w", err)
	}
	if err := standby.follow(); err != nil {
		return nil, err
	}
	if err := standby.startOnFreePort(ctx, append(settings, alone, primary.conninfo())); err != nil {
		return nil, fmt.Errorf("the standby: %w", err)
	}
	return connectPair(ctx, primary, standby)
}

func connectPair(ctx context.Context, primary, standby *cluster) (*Pair, error) {
	p := &Pair{}
	var err error
	if p.primary, err = serverOf(ctx, primary); err != nil {
		return nil, fmt.Errorf("the primary: %w", err)
	}
	if p.standby, err = serverOf(ctx, standby); err != nil {
		return nil, fmt.Errorf("the standby: %w", err)
	}
	if err := p.waitStreaming(ctx); err != nil {
		log, _ := os.ReadFile(standby.logPath()) // only explains
		return nil, fmt.Errorf("wait for the standby to stream: %w\n%s", err, lastLines(log))
	}
	return p, nil
}

// waitStreaming waits until a commit would wait for the standby, too, if it has
// to.
func (p *Pair) waitStreaming(ctx context.Context) error {
	return p.primary.admin(ctx, func(conn *pgx.Conn) error {
		return await(ctx, func(ctx context.Context) (streams bool, err error) {
			err = conn.QueryRow(ctx, `
				select exists (
					select from pg_stat_replication
					where application_name = $1 and state = 'streaming'
					and (sync_state <> 'async' or current_setting('synchronous_standby_names') = ''))`,
				standbyName).Scan(&streams)
			return streams, err
		})
	})
}

// createDatabase returns the new database on the primary and on the standby.
func (p *Pair) createDatabase(ctx context.Context) ([]*DB, error) {
	onPrimary, err := p.primary.newDB(ctx)
	if err != nil {
		return nil, err
	}
	onStandby, err := p.standby.database(onPrimary.Name)
	if err != nil {
		return nil, err
	}
	if _, err := onPrimary.OrdinaryDSN(ctx); err != nil {
		return nil, err
	}
	p.Name = onPrimary.Name
	return []*DB{onPrimary, onStandby}, p.CaughtUp(ctx)
}
