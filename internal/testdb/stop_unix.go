//go:build unix

package testdb

import (
	"context"
	"errors"
	"os"
	"syscall"
)

// requestStop asks the postmaster to shut down, by the signals that it documents.
func (c *cluster) requestStop(_ context.Context, p *process, mode StopMode) error {
	sig := syscall.SIGINT
	if mode == Immediate {
		sig = syscall.SIGQUIT
	}
	if err := p.cmd.Process.Signal(sig); !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}
