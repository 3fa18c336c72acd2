package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/connector/poolhttp"
	"github.com/poolsql/poolsql/examples/internal/database"
)

// rules say what matters. What no rule names is of class normal.
var rules = []poolhttp.Rule{
	{Pattern: "POST /orders", Class: poolsql.High},
	{Pattern: "/reports/", Class: poolsql.Low, Timeout: 5 * time.Second},
}

// routes are what users ask for. No handler knows of classes or of overload: each uses its request's context and returns its
// error.
func (s *service) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, serve := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /items/{id}":      s.showItem,
		"POST /orders":         s.order,
		"GET /reports/{month}": s.report,
	} {
		mux.Handle(pattern, poolhttp.Handler(serve, s.fail))
	}
	return mux
}

// fail answers what is not the pool's affair. Clients read nothing of the error; the log has it.
func (s *service) fail(w http.ResponseWriter, r *http.Request, err error) {
	var bad *badRequest
	switch {
	case errors.Is(err, sql.ErrNoRows):
		http.NotFound(w, r)
	case errors.As(err, &bad):
		http.Error(w, bad.text, http.StatusBadRequest)
	default:
		slog.ErrorContext(r.Context(), "request failed", "pattern", r.Pattern, "err", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	}
}

// A badRequest is what the client is told about what it has sent.
type badRequest struct{ text string }

func (e *badRequest) Error() string { return e.text }

// number reads a number that a client has sent.
func number(text string) (int32, error) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, &badRequest{"not a number"}
	}
	return int32(n), nil
}

func (s *service) showItem(w http.ResponseWriter, r *http.Request) error {
	id, err := number(r.PathValue("id"))
	if err != nil {
		return err
	}
	var name string
	var stock int
	err = s.db.QueryRowContext(r.Context(), s.sql("select name, stock from shop.items where id = $1"), id).Scan(&name, &stock)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s: %d in stock\n", name, stock)
	return err
}

// order is a transaction, which is tried again if it loses against another.
func (s *service) order(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<10)
	item, err := number(r.FormValue("item"))
	if err != nil {
		return err
	}
	var id int64
	err = poolsql.RunTx(r.Context(), s.db, poolsql.TxOptions{}, func(ctx context.Context, tx *sql.Tx) error {
		var left int
		err := tx.QueryRowContext(ctx, s.sql("update shop.items set stock = stock - 1 where id = $1 returning stock"), item).Scan(&left)
		if err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, s.sql("insert into shop.orders (item) values ($1) returning id"), item).Scan(&id)
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusCreated)
	_, err = fmt.Fprintf(w, "order %d\n", id)
	return err
}

// report keeps a connection for a while, as reports do.
func (s *service) report(w http.ResponseWriter, r *http.Request) error {
	var n int
	err := s.db.QueryRowContext(r.Context(), s.sql("select count(*) from shop.items, pg_sleep(0.08)")).Scan(&n)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%d items in %s\n", n, r.PathValue("month"))
	return err
}

// items is how many there are.
const items = 1000

// sql puts the schema's name in the place of "shop.".
func (s *service) sql(text string) string { return inSchema(s.schema, text) }

func inSchema(schema, text string) string {
	return strings.ReplaceAll(text, "shop.", pgx.Identifier{schema}.Sanitize()+".")
}

// fill makes the tables.
func fill(ctx context.Context, d *database.Database) error {
	conn, err := d.Connect(ctx, "fill")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, text := range []string{
		"create schema " + pgx.Identifier{d.Schema}.Sanitize(),
		"create table shop.items (id int primary key, name text not null, stock int not null)",
		"create table shop.orders (id bigint generated always as identity primary key, item int not null)",
		fmt.Sprintf("insert into shop.items select i, 'item ' || i, 1000000 from generate_series(1, %d) i", items),
		"analyze shop.items",
	} {
		if _, err := conn.Exec(ctx, inSchema(d.Schema, text)); err != nil {
			return fmt.Errorf("fill the shop: %w", err)
		}
	}
	return nil
}
