// Command service is a small HTTP service as one would run it: classes and deadlines by route, 503 with Retry-After under
// overload, a live page, metrics, health for Kubernetes, and an end that loses no request. It brings its own load.
//
//	go run ./examples/service
//
// It starts a PostgreSQL of its own and throws it away, and runs until it is stopped or -duration has passed; stop it with Ctrl-C or
// SIGTERM to see it drain, and once more not to wait for that. With -dsn it uses yours, in a schema of its own that it drops. What to copy is in serve.go, stop.go
// and routes.go.
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
	rate     int
	grace    time.Duration
}

func parse(args []string, stderr io.Writer) (settings, error) {
	s := settings{}
	flags := flag.NewFlagSet("service", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.dsn, "dsn", "", "an existing database, as URL or keywords, instead of an embedded one;\n"+
		"a password is better left to PGPASSWORD or ~/.pgpass than shown to ps")
	flags.StringVar(&s.listen, "listen", "127.0.0.1:8080", "where the service listens; whoever reaches it sees labels and tenants")
	flags.DurationVar(&s.duration, "duration", 0, "when the service stops by itself; 0 is when it is stopped")
	flags.IntVar(&s.conns, "conns", 6, "connections to the database")
	flags.IntVar(&s.rate, "rate", 200, "requests a second that the service sends to itself, three times as many in a rush; 0 is none")
	flags.DurationVar(&s.grace, "grace", time.Second, "how long the service serves on when it has said that it will stop")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if err := s.validate(flags.Args()); err != nil {
		fmt.Fprintf(stderr, "service: %v; -help tells more\n", err)
		return s, err
	}
	return s, nil
}

func (s settings) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return errors.New("flags only, no arguments")
	case s.duration < 0 || s.grace < 0:
		return errors.New("-duration and -grace must not be negative")
	case s.conns < 2:
		return errors.New("-conns must be at least 2: one is kept for class high")
	case s.rate < 0 || s.rate > 10_000:
		return errors.New("-rate must be between 0 and 10000")
	}
	return nil
}

// run is the program without the process around it. It returns the exit status: to be stopped is how a service ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if err != nil {
		return program.BadFlags(err)
	}
	if err = serve(ctx, s, stdout, stderr); err == nil {
		return program.OK
	}
	return program.End(ctx, "service", err, stderr)
}
