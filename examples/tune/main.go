package main

import (
	"context"
	"io"

	"github.com/poolsql/poolsql/examples/internal/program"
)

func main() { program.Main(run) }

// run is the program without the process around it. It returns the exit status. A measure that was too noisy, or whose
// ladder ended too early, is no failure: the report says so.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if err != nil {
		return program.BadFlags(err)
	}
	return program.End(ctx, "tune", tune(ctx, s, stdout, stderr), stderr)
}
