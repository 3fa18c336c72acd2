// Command quickstart shows in half a minute what poolsql does. On a bank of 100,000 accounts it runs one load twice,
// through plain database/sql and through poolsql, with the same few connections: reports that fill the pool,
// transfers, and a few lookups that matter most. Then it shows how long each had to wait, and proves that no money and
// no transfer was lost.
//
//	go run ./examples/quickstart
//
// It starts a PostgreSQL of its own and throws it away. With -dsn it uses yours, in a schema of its own that it drops.
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
	duration time.Duration
	accounts int
	conns    int
	callers  [kinds]int
}

func parse(args []string, stderr io.Writer) (settings, error) {
	s := settings{}
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.dsn, "dsn", "", "an existing database, as URL or keywords, instead of an embedded one;\n"+
		"a password is better left to PGPASSWORD or ~/.pgpass than shown to ps")
	flags.DurationVar(&s.duration, "duration", 8*time.Second, "how long each side works")
	flags.IntVar(&s.accounts, "accounts", 100_000, "accounts in the bank")
	flags.IntVar(&s.conns, "conns", 8, "connections to the database that each side may open")
	flags.IntVar(&s.callers[lookups], "lookups", 4, "callers that look up balances (High)")
	flags.IntVar(&s.callers[transfers], "transfers", 32, "callers that move money (Normal)")
	flags.IntVar(&s.callers[reports], "reports", 64, "callers that make reports (Low)")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	if err := s.validate(flags.Args()); err != nil {
		fmt.Fprintf(stderr, "quickstart: %v; -help tells more\n", err)
		return s, err
	}
	return s, nil
}

func (s settings) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return errors.New("flags only, no arguments")
	case s.duration <= 0:
		return errors.New("-duration must be more than 0")
	case s.accounts < 2:
		return errors.New("-accounts must be at least 2, to move money between them")
	case s.conns < 1:
		return errors.New("-conns must be at least 1")
	}
	for k, n := range s.callers {
		if n < 1 {
			return fmt.Errorf("-%s must be at least 1", kind(k))
		}
	}
	return nil
}

// run is the program without the process around it. It returns the exit status. A failed run is also one that lost
// something or met an error that it should not have.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if err != nil {
		return program.BadFlags(err)
	}
	sound, err := compare(ctx, s, stdout, stderr)
	if status := program.End(ctx, "quickstart", err, stderr); status != program.OK {
		return status
	}
	if !sound {
		return program.Failed
	}
	return program.OK
}
