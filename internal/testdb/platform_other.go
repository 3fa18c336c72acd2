//go:build !unix

package testdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// Here nothing watches: whoever starts a server has to close it. The server goes
// through TCP, and is run by the user that we are.
const (
	haveSockets  = false
	sharedMemory = "windows"
	watched      = false
)

type account struct{}

func serverAccount() (*account, error)    { return nil, nil }
func (*account) apply(*exec.Cmd)          {}
func (*account) own(string) error         { return nil }
func (*account) flags() []string          { return nil }
func makeFolder(*account) (string, error) { return os.MkdirTemp("", "poolsql-pg-") }

type watchdog struct{}

func startWatchdog(string) (*watchdog, error) { return nil, nil }
func (*watchdog) await(*exec.Cmd)             {}
func (*watchdog) stop(*exec.Cmd)              {}
func (*watchdog) end() error                  { return nil }

// requestStop leaves the asking to pg_ctl: there are no signals.
func (c *cluster) requestStop(ctx context.Context, _ *process, mode StopMode) error {
	out, err := c.command(ctx, "pg_ctl", "stop", "-D", c.data(), "-m", mode.String(), "-W").CombinedOutput()
	if err != nil {
		return fmt.Errorf("pg_ctl: %w\n%s", err, lastLines(out))
	}
	return nil
}

// killChild is missing: nothing here tells safely whose child a process is.
func killChild(context.Context, int, int) error {
	return errors.New("processes are not killed on this system")
}
