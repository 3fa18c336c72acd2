package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"

	"github.com/poolsql/poolsql/examples/internal/program"
)

func main() {
	program.Main(func(ctx context.Context, args []string, stdout, stderr io.Writer) int {
		err := run(ctx, args, stdout, stderr)
		if errors.Is(err, flag.ErrHelp) {
			return program.OK
		}
		return program.End(ctx, "compare", err, stderr)
	})
}

// run is the program without its process: the tables go to out, the progress to progress.
func run(ctx context.Context, args []string, out, progress io.Writer) (err error) {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.SetOutput(progress)
	pattern := flags.String("run", "", "run only the experiments whose name matches this regular `expression`:\n"+
		"^H/ is what faults cost, ^[AB]/ is what a layer costs by itself")
	rounds := flags.Int("rounds", 0, "how often every peer runs each experiment; 0 is 5 times, and once in H")
	quick := flags.Bool("quick", false, "one round of tiny runs: shows that everything works, the numbers mean nothing")
	plots := flags.String("plots", "", "draw what overload does over time, with and without Shedding, and what AdaptiveLimit does, into this `folder`, and "+
		"nothing else; with -run, only those whose name matches: overload, adaptive")
	dsn := flags.String("dsn", "", "PostgreSQL to measure on; one is started if empty")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *rounds < 0 {
		return errors.New("-rounds must not be negative")
	}
	if *quick {
		*rounds = 1
	}
	match, err := regexp.Compile(*pattern)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}

	l := &lab{quick: *quick, dsn: *dsn}
	defer func() { err = errors.Join(err, program.LeftBehind(l.close())) }()
	if *plots != "" {
		if match.MatchString("overload") {
			err = drawOverload(ctx, *plots, *quick)
		}
		if err == nil && match.MatchString("adaptive") {
			err = drawAdaptive(ctx, l, *plots)
		}
		return err
	}
	chosen := choose(allGroups(l), match)
	if len(chosen) == 0 {
		return fmt.Errorf("-run %q matches none of %v", *pattern, experimentNames(allGroups(l)))
	}
	for _, g := range chosen {
		results, err := g.run(ctx, g.times(*rounds), progress)
		if err != nil {
			return err
		}
		if err := g.print(out, results); err != nil {
			return err
		}
	}

	machine, err := describeMachine(ctx, l, describeRounds(chosen, *rounds))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, machine)
	return err
}
