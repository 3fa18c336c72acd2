package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/poolsql/poolsql/presets"
)

// server is what the database's server says of itself, asked once, before anything of ours but the asking connection is
// there.
type server struct {
	version        string
	maxConnections int
	reserved       int // superuser_reserved_connections and, from PostgreSQL 16 on, reserved_connections
	inUse          int // connections that are not ours
	// The limits of the database and of the role, -1 for none, and how much of them others use.
	databaseLimit, databaseInUse int
	roleLimit, roleInUse         int
}

// askServer reads them. Of the sessions of other roles an ordinary role sees neither kind nor state, but that they are.
func askServer(ctx context.Context, conn *pgx.Conn) (server, error) {
	var s server
	err := conn.QueryRow(ctx, `
		with others as (
			select datname, usename from pg_stat_activity
			where pid <> pg_backend_pid() and usesysid is not null
				and coalesce(backend_type, 'client backend') = 'client backend'
		)
		select
			split_part(current_setting('server_version'), ' ', 1), -- without whose package it is
			current_setting('max_connections')::int,
			current_setting('superuser_reserved_connections')::int
				+ coalesce(current_setting('reserved_connections', true), '0')::int,
			(select count(*) from others),
			(select datconnlimit from pg_database where datname = current_database()),
			(select count(*) from others where datname = current_database()),
			(select rolconnlimit from pg_roles where rolname = session_user),
			(select count(*) from others where usename = session_user)`).
		Scan(&s.version, &s.maxConnections, &s.reserved, &s.inUse,
			&s.databaseLimit, &s.databaseInUse, &s.roleLimit, &s.roleInUse)
	if err != nil {
		return s, fmt.Errorf("ask the server for its limits: %w", err)
	}
	return s, nil
}

// room is how many connections a pool can have while this program measures. It leaves alone what is reserved, even where
// the role may use it, and the connection that asks.
func (s server) room() int {
	const asking = 1
	return s.admitted(s.inUse, asking)
}

// admitted is how many connections are left when others have so many, and ours beside the pools extra ones.
func (s server) admitted(others, extra int) int {
	left := s.maxConnections - s.reserved - others - extra
	if s.databaseLimit >= 0 {
		left = min(left, s.databaseLimit-s.databaseInUse-extra)
	}
	if s.roleLimit >= 0 {
		left = min(left, s.roleLimit-s.roleInUse-extra)
	}
	return left
}

// othersToLeave is what the application has to leave to everybody else: what the user said, or what is in use now, which
// may be little because nobody happens to be there.
func (s server) othersToLeave(said int) int {
	if said >= 0 {
		return said
	}
	return max(s.inUse, presets.DefaultOthers)
}
