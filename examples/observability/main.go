// Command observability is a shop that shows how it is doing: it puts a pool under a load of its own, and serves /metrics for
// Prometheus, the health of the pool, and the live page.
//
//	go run ./examples/observability
//
// It starts a PostgreSQL of its own and throws it away, and runs until it is stopped or -duration has passed. With -dsn it
// uses yours, in a schema of its own that it drops. Beside this file are the configurations of Prometheus and Grafana, and a
// compose file that starts them all.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/poolsql/poolsql/examples/internal/program"
)

func main() { program.Main(run) }

// settings are the flags.
type settings struct {
	dsn      string
	listen   string
	duration time.Duration
	conns    int
	callers  int
}

func parse(args []string, stderr io.Writer) (settings, error) {
	s := settings{}
	flags := flag.NewFlagSet("observability", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.dsn, "dsn", "", "an existing database, as URL or keywords, instead of an embedded one;\n"+
		"a password is better left to PGPASSWORD or ~/.pgpass than shown to ps")
	flags.StringVar(&s.listen, "listen", "127.0.0.1:8080", "where the pages are served; whoever reaches it sees labels and tenants")
	flags.DurationVar(&s.duration, "duration", 0, "how long the shop is open; 0 is until it is stopped")
	flags.IntVar(&s.conns, "conns", 6, "connections to the database")
	flags.IntVar(&s.callers, "callers", 24, "callers at a time, three times as many during the rush")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if err := s.validate(flags.Args()); err != nil {
		fmt.Fprintf(stderr, "observability: %v; -help tells more\n", err)
		return s, err
	}
	return s, nil
}

func (s settings) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return errors.New("flags only, no arguments")
	case s.duration < 0:
		return errors.New("-duration must not be negative")
	case s.conns < 3:
		return errors.New("-conns must be at least 3: one is kept for class high")
	case s.callers < 1:
		return errors.New("-callers must be at least 1")
	}
	return nil
}

// run is the program without the process around it. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if err != nil {
		return program.BadFlags(err)
	}
	err = keepShop(ctx, s, stdout, stderr)
	if s.duration == 0 && err == nil {
		return program.OK // to stop it is how it ends
	}
	return program.End(ctx, "observability", err, stderr)
}
