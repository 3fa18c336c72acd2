//go:build unix

package testdb

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// watchdogScript ends the server when whoever started it has gone, however that
// happened. It reads two pipes. Standard input is held by us alone: its end
// tells that we closed it, or died. The other is held by every server process,
// as children inherit it: its end tells that the last of them has gone, which
// no list of pids could.
//
// The postmaster is in the watchdog's process group, so that no pid can have
// been given to somebody else meanwhile. Between fork and exec a child still
// holds our end of the first pipe, hence it is in the group before the signal
// comes.
//
// QUIT is PostgreSQL's immediate shutdown; the data is not needed any more. A
// postmaster that was stopped by a test has to continue to see it. initdb gets
// no signal: it ends soon by itself, while its children, when they are killed,
// leave shared memory behind.
const watchdogScript = `
trap '' HUP INT QUIT TERM
cat >/dev/null
kill -s QUIT -- -$$
kill -s CONT -- -$$
cat <&3 >/dev/null
rm -rf "$1"
`

// watched: a server ends even when its starter has no chance to end it.
const watched = true

type watchdog struct {
	cmd   *exec.Cmd
	life  *os.File // closed: end everything
	alive *os.File // inherited by the processes to be watched
}

// startWatchdog begins to watch over dir and the processes that will be adopted.
func startWatchdog(dir string) (*watchdog, error) {
	lifeRead, lifeWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer lifeRead.Close()
	aliveRead, aliveWrite, err := os.Pipe()
	if err != nil {
		lifeWrite.Close()
		return nil, err
	}
	defer aliveRead.Close()

	cmd := exec.Command("sh", "-c", watchdogScript, "poolsql-testdb-watchdog", dir)
	cmd.Dir = "/"
	cmd.Stdin = lifeRead
	cmd.ExtraFiles = []*os.File{aliveRead} // descriptor 3
	// A group of its own: an interrupt typed on the terminal is not for it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		lifeWrite.Close()
		aliveWrite.Close()
		return nil, fmt.Errorf("start the watchdog: %w", err)
	}
	return &watchdog{cmd: cmd, life: lifeWrite, alive: aliveWrite}, nil
}

// await makes the watchdog leave the folder until cmd, which has not been
// started yet, has ended. An interrupt typed on the terminal is not for cmd.
func (w *watchdog) await(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.ExtraFiles = []*os.File{w.alive}
}

// stop makes the watchdog also ask cmd, given to await before, to end.
func (w *watchdog) stop(cmd *exec.Cmd) {
	cmd.SysProcAttr.Pgid = w.cmd.Process.Pid
}

// end makes the watchdog do its work now, and returns when it has.
func (w *watchdog) end() error {
	w.alive.Close()
	w.life.Close()
	if err := w.cmd.Wait(); err != nil {
		return fmt.Errorf("the watchdog: %w", err)
	}
	return nil
}
