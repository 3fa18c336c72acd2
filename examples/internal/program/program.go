// Package program is what the examples have in common as commands: how they are stopped, and what they tell the shell.
package program

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

// What a program tells the shell.
const (
	OK          = 0
	Failed      = 1
	Usage       = 2 // bad flags
	Interrupted = 130
)

// Main is what a func main calls: it runs run until that returns, and ends the process with the status. The context ends
// when the user stops the program.
func Main(run func(ctx context.Context, args []string, stdout, stderr io.Writer) (status int)) {
	// A reader that goes away (tune | head) must not leave a database behind: what is written then fails, and the run goes on
	// to its end. To be told of it would not do, since the signal is the same for every connection that breaks.
	signal.Ignore(syscall.SIGPIPE)
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // by nohup
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// BadFlags returns the status for flags that did not parse, which the user was told already: to ask for help is no failure.
func BadFlags(err error) int {
	if errors.Is(err, flag.ErrHelp) {
		return OK
	}
	return Usage
}

// leftBehind is an error of LeftBehind.
type leftBehind struct{ error }

func (e leftBehind) Unwrap() error { return e.error }

// LeftBehind marks an error of cleaning up: somebody has to be told even if the program was stopped. Nil is none.
func LeftBehind(err error) error {
	if err == nil {
		return nil
	}
	return leftBehind{err}
}

// End tells the user how the program of this name ended, unless all was well, and returns the status.
func End(ctx context.Context, name string, err error, stderr io.Writer) int {
	switch {
	case ctx.Err() != nil:
		// What the calls under way said about their end is no news; what could not be cleaned up is.
		if left := (leftBehind{}); errors.As(err, &left) {
			fmt.Fprintf(stderr, "%s: stopped, but not everything is cleaned up: %v\n", name, left)
		} else {
			fmt.Fprintf(stderr, "%s: stopped before the end; nothing is left behind\n", name)
		}
		return Interrupted
	case err != nil:
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return Failed
	}
	return OK
}
