// Command serve runs the PostgreSQL that the tests would use, prints the URL of
// a fresh database on it, and stops it when interrupted, or when its standard
// input ends. It is for trying things by hand, and for programs that are not in
// Go:
//
//	go run ./internal/testdb/serve 'max_connections = 20'
//
// Each argument is a line of postgresql.conf.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/poolsql/poolsql/internal/testdb"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := serve(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, settings []string) (err error) {
	s, err := testdb.Start(ctx, settings...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	dsn, err := s.CreateDatabase(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, s.Name())
	fmt.Println(dsn)
	waitForEnd(ctx)
	return nil
}

// waitForEnd leaves a goroutine that reads: the program ends with it.
func waitForEnd(ctx context.Context) {
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // an error is an end too
		close(ended)
	}()
	select {
	case <-ctx.Done():
	case <-ended:
	}
}
