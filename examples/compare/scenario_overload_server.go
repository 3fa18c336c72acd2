package main

import (
	"context"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/priority"
)

// variedSleep is some 5 ms of work on a server, not the same each time: see callSpread. The server sleeps for whole ms.
const variedSleep = "select 1 from pg_sleep(0.004 + 0.001 * random())"

// overloadServerGroup is M: I on a server.
func overloadServerGroup(l *lab) group {
	shed := poolsql.Config{Shedding: priority.ShedOn}
	peers := []serverPeer{
		{plainSQL, openSQL(openPlain).onServer},
		{pgxPool, openPgxpool},
		{poolSQL, openPoolsql(0).onServer},
		{shedSQL, openPoolsqlWith(shed).onServer},
	}
	return group{
		title:   "M. The same on PostgreSQL: `" + variedSleep + "`, 8 connections",
		columns: serverNames(peers),
		experiments: overloadExperiments("M", overloadTargets{}, armsOn(l, func(ctx context.Context, i int) (operation, func() error, error) {
			dsn, err := l.database(ctx)
			if err != nil {
				return nil, nil, err
			}
			client, err := peers[i].open(ctx, dsn, size{conns: openConns, warm: openConns})
			work := func(ctx context.Context) error {
				var one int
				return client.ask(ctx, variedSleep, &one)
			}
			return work, client.close, err
		}, len(peers))),
	}
}
