// Command tenants shows many tenants in one table, over one pool, each of whom sees its own rows alone: by a policy of
// row-level security and a setting that poolsql tells the server anew with each call.
//
//	go run ./examples/tenants
//
// You will see what two tenants read, that a call which carries no tenant reads nothing, that none can write for another,
// and that a SET which somebody leaves behind on a connection fools nobody after him. docs/tags.md tells what is promised.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/examples/internal/short"
)

func main() { short.Main("tenants", show) }

func show(ctx context.Context, cfg poolsql.Config, out io.Writer) (err error) {
	role, drop, err := bound(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, drop()) }()

	cfg.MaxConns = 1 // so that all tenants share one connection
	cfg.SessionSettings = []string{"app.tenant=tenant", "application_name=label"}
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "set role "+role)
		return err
	}
	db, err := poolsql.Open(cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return err
	}

	acme, globex := poolsql.WithTenant(ctx, "acme"), poolsql.WithTenant(ctx, "globex")
	for tenant, amount := range map[context.Context]int{acme: 10, globex: 700} {
		if _, err := db.ExecContext(tenant, "insert into invoices (amount) values ($1)", amount); err != nil {
			return err
		}
	}
	for _, who := range []struct {
		name string
		ctx  context.Context
	}{{"acme", acme}, {"globex", globex}, {"nobody", ctx}} {
		if err := total(who.ctx, db, who.name, out); err != nil {
			return err
		}
	}

	_, err = db.ExecContext(acme, "insert into invoices values ('globex', 1)")
	if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || refused.Code != "42501" {
		return fmt.Errorf("acme wrote for globex: %w", err)
	}
	fmt.Fprintln(out, "acme cannot write for globex")

	if _, err := db.ExecContext(acme, "set app.tenant = 'globex'"); err != nil {
		return err
	}
	return total(acme, db, "acme, after a SET was left behind,", out)
}

// schema has the policy. An owner of a table is bound by it only if it is forced.
const schema = `
create table invoices (tenant text not null default current_setting('app.tenant'), amount int not null);
alter table invoices enable row level security, force row level security;
create policy own on invoices using (tenant = current_setting('app.tenant', true))`

func total(ctx context.Context, db *sql.DB, name string, out io.Writer) error {
	var n, sum int
	err := db.QueryRowContext(ctx, "select count(*), coalesce(sum(amount), 0) from invoices").Scan(&n, &sum)
	if err == nil {
		fmt.Fprintf(out, "%s sees %d invoices, of %d in all\n", name, n, sum)
	}
	return err
}

// bound returns a role whom policies bind, which a superuser is not: the user's own if it will do, else one that is made for
// the example, and dropped.
func bound(ctx context.Context, cfg poolsql.Config) (role string, drop func() error, err error) {
	conn, err := pgx.ConnectConfig(ctx, cfg.ConnConfig.Copy())
	if err != nil {
		return "", nil, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	var free bool
	var own, namespace string
	err = conn.QueryRow(ctx, `select rolsuper or rolbypassrls, quote_ident(rolname), quote_ident(current_schema())
		from pg_roles where rolname = current_user`).Scan(&free, &own, &namespace)
	if err != nil || !free {
		return own, func() error { return nil }, err
	}
	role = namespace // a name that nobody else has
	if _, err := conn.Exec(ctx, fmt.Sprintf("create role %s; grant all on schema %s to %[1]s", role, namespace)); err != nil {
		return "", nil, err
	}
	return role, func() error {
		ctx := context.WithoutCancel(ctx)
		conn, err := pgx.ConnectConfig(ctx, cfg.ConnConfig.Copy())
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, fmt.Sprintf("drop owned by %s; drop role %[1]s", role))
		return errors.Join(err, conn.Close(ctx))
	}, nil
}
