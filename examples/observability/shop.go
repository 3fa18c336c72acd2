package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/poolsql/poolsql/examples/internal/database"
	"github.com/poolsql/poolsql/examples/internal/display"
	"github.com/poolsql/poolsql/examples/internal/program"
)

// closeWithin bounds how long the last callers and readers may stay when the shop closes.
const closeWithin = 10 * time.Second

// keepShop opens the database and the shop, serves and loads it until the duration has passed or ctx ends, and says what it
// saw. Whatever happens, it leaves neither a database nor a schema behind.
func keepShop(ctx context.Context, s settings, stdout, stderr io.Writer) (err error) {
	d, err := database.Open(ctx, "observability", s.dsn, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, program.LeftBehind(d.Close())) }()
	defer func() { err = errors.Join(err, program.LeftBehind(d.Drop(ctx))) }()
	g := goods{schema: d.Schema}
	if err := g.stock(ctx, d); err != nil {
		return err
	}
	sh, err := openShop(d.ConnConfig("shop"), s.conns)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sh.close()) }()

	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: sh.pages(), ReadHeaderTimeout: closeWithin}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	greet(stdout, listener.Addr().String())

	began := time.Now()
	open := ctx
	if s.duration > 0 {
		var cancel context.CancelFunc
		open, cancel = context.WithTimeout(ctx, s.duration)
		defer cancel()
	}
	load(open, sh, g, s.callers)
	left, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
	defer cancel()
	err = server.Shutdown(left)
	if served := <-served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	report(stdout, sh, time.Since(began))
	return err
}

// greet says where to look.
func greet(w io.Writer, address string) {
	fmt.Fprintf(w, "live page   http://%s/health/page/\n", address)
	fmt.Fprintf(w, "metrics     http://%s/metrics\n", address)
	fmt.Fprintf(w, "health      http://%s/health/   ready http://%s/health/ready\n", address, address)
	fmt.Fprintln(w, "runs until you stop it, or -duration has passed")
}

// report says what the shop has done.
func report(w io.Writer, s *shop, took time.Duration) {
	stats, judged := s.pool.Stats(), s.monitor.Report()
	fmt.Fprintf(w, "%s operations in %.1fs, %s failed; %s callers turned away; %s connections opened\n",
		display.Number(int64(stats.QueryCount)), took.Seconds(), display.Number(int64(stats.ErrorCount)),
		display.Number(int64(stats.RefusedCount)), display.Number(int64(stats.NewConnsCount)))
	fmt.Fprintf(w, "health %s, score %d\n", judged.Status, judged.Score)
	for _, r := range judged.Reasons {
		fmt.Fprintf(w, "  %s\n", r.Text)
	}
}
