package testdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// pollInterval is the pause between two looks at something that another
// process decides: much less than what it takes, and still no load.
const pollInterval = 5 * time.Millisecond

// endTimeout is how long a server may take to shut down at once. PostgreSQL
// itself kills what has not ended after five seconds.
const endTimeout = 10 * time.Second

var errPortTaken = errors.New("the port has been taken by another program")

// process is a running postmaster.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed once it has ended
}

// waitForExit is the one goroutine that testdb keeps; NoLeaks knows it by name.
func (p *process) waitForExit() {
	_ = p.cmd.Wait() // why it ended is in its log
	close(p.done)
}

// end makes it end, gently at first: one that is killed leaves its shared
// memory behind.
func (p *process) end(c *cluster) {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	if p.stop(ctx, c, Immediate) != nil {
		_ = p.cmd.Process.Kill() // fails only when it has ended
		<-p.done
	}
}

// stop shuts it down and returns when it has ended. With an error it has not.
func (p *process) stop(ctx context.Context, c *cluster, mode StopMode) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := c.requestStop(ctx, p, mode); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// start runs postgres on the existing data and returns when it accepts
// connections. On an error it is not running.
func (c *cluster) start(ctx context.Context) error {
	logFile, err := os.OpenFile(c.logPath(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer logFile.Close() // the child has its own
	// Not ctx: it bounds the start, not the life of the server.
	cmd := c.command(context.WithoutCancel(ctx), "postgres", "-D", c.data())
	c.watchdog.stop(cmd)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start postgres: %w", err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go p.waitForExit()
	if err := c.waitReady(ctx, p); err != nil {
		p.end(c)
		return err
	}
	c.postgres = p
	return nil
}

// waitReady reads the state that the postmaster publishes, as pg_ctl does:
// trying to connect would fill its log with refusals.
func (c *cluster) waitReady(ctx context.Context, p *process) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("start postgres: %w", context.Cause(ctx))
		case <-p.done:
			return c.startError()
		case <-tick.C:
			if c.ready(p.cmd.Process.Pid) {
				return nil
			}
		}
	}
}

// ready looks for the pid on the first line, so that a file left by a server
// that crashed does not count, and for the state on the eighth.
func (c *cluster) ready(pid int) bool {
	b, err := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	if err != nil {
		return false
	}
	lines := strings.Split(string(b), "\n")
	return len(lines) > 7 && lines[0] == fmt.Sprint(pid) && strings.TrimSpace(lines[7]) == "ready"
}

func (c *cluster) startError() error {
	b, err := os.ReadFile(c.logPath())
	if err != nil {
		return fmt.Errorf("start postgres: it ended, and its log cannot be read: %w", err)
	}
	if bytes.Contains(b, []byte("could not bind")) {
		return errPortTaken
	}
	return fmt.Errorf("start postgres: it ended at once\n%s", lastLines(b))
}

func (c *cluster) logPath() string { return filepath.Join(c.dir, "log") }

// lastLines is the end of a program's output, where the reason stands.
func lastLines(out []byte) []byte {
	const most = 2000
	out = bytes.TrimSpace(out)
	if len(out) <= most {
		return out
	}
	out = out[len(out)-most:]
	if i := bytes.IndexByte(out, '\n'); i >= 0 {
		out = out[i+1:]
	}
	return out
}
