package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// A reader that goes away (tune | head) or a terminal that is closed must not leave a schema behind either.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// What the program tells the shell. A measure that was too noisy, or whose ladder ended too early, is no failure: the
// report says so.
const (
	statusOK          = 0
	statusFailed      = 1
	statusUsage       = 2
	statusInterrupted = 130
)

// run is the program without the process around it. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return statusOK
	case err != nil:
		return statusUsage
	}

	err = tune(ctx, s, stdout, stderr)
	switch {
	case ctx.Err() != nil:
		// What the calls under way said about their end is no news; what could not be cleaned up is.
		if left := (cleanUpError{}); errors.As(err, &left) {
			fmt.Fprintf(stderr, "tune: stopped, but not everything is cleaned up: %v\n", left)
		} else {
			fmt.Fprintln(stderr, "tune: stopped before the end; nothing is left behind")
		}
		return statusInterrupted
	case err != nil:
		fmt.Fprintf(stderr, "tune: %v\n", err)
		return statusFailed
	}
	return statusOK
}
