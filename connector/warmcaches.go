package connector

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/priority"
)

// Warmed says what WarmCaches has done for one relation.
type Warmed struct {
	// Relation is its name, as the caller wrote it.
	Relation string
	// Blocks is how many blocks of 8 kB, as servers are built, were read.
	Blocks int64
	// Buffered says that they are in the server's own buffers, as far as there is room; else they were read by a scan of
	// the table, which leaves a large one in the operating system's cache alone.
	Buffered bool
}

// WarmCaches has the server read these tables and indexes, whose names are as SQL has them ("item", "shop.item_pkey"), so
// that the first queries after a start or a failover do not wait for the disk. It returns what was read, up to the first
// failure.
//
// Where the extension pg_prewarm is installed in the database it is used; a user may need to be granted its function.
// Else tables are scanned, and the name of an index is an error. One relation is read at a time, each as an operation of
// its own, of class Low unless ctx carries options of its own: so callers go first, and a pool of one connection serves some in
// between. The pool's limit of statements holds; [priority.WithoutLimits] lifts it.
//
// It is for pgx connections.
func (c *Connector) WarmCaches(ctx context.Context, relations ...string) ([]Warmed, error) {
	if priority.Peek(ctx) == nil {
		ctx = priority.WithLabel(priority.WithClass(ctx, priority.Low), "warm caches")
	}
	done := make([]Warmed, 0, len(relations))
	for _, name := range relations {
		w := Warmed{Relation: name}
		if err := c.Do(ctx, func(conn *pgx.Conn) error { return w.read(ctx, conn) }); err != nil {
			return done, fmt.Errorf("poolsql: warming the caches with %q: %w", name, err)
		}
		done = append(done, w)
	}
	return done, nil
}

// The name is an argument wherever the server takes one. Where it does not, it is the server that has quoted it.
const (
	findPrewarm = `select coalesce((select quote_ident(n.nspname) from pg_catalog.pg_extension e
		join pg_catalog.pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_prewarm'), '')`
	findTable = `select $1::text::regclass::text, pg_catalog.pg_relation_size($1::text::regclass)
		/ pg_catalog.current_setting('block_size')::bigint`
)

func (w *Warmed) read(ctx context.Context, conn *pgx.Conn) error {
	var schema string
	if err := conn.QueryRow(ctx, findPrewarm).Scan(&schema); err != nil {
		return err
	}
	if schema != "" {
		w.Buffered = true
		return conn.QueryRow(ctx, "select "+schema+".pg_prewarm($1::text::regclass)", w.Relation).Scan(&w.Blocks)
	}
	var quoted string
	if err := conn.QueryRow(ctx, findTable, w.Relation).Scan(&quoted, &w.Blocks); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, "select count(*) from "+quoted)
	return err
}
