//go:build unix

package testdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
)

// killChild kills pid if it is a child of parent, and returns when the parent
// has collected it. A postmaster does that and begins to deal with the crash
// before it accepts another connection.
func killChild(ctx context.Context, parent, pid int) error {
	// Found before its parent is asked for: on Linux this is a handle, so that
	// the one who is killed cannot be somebody else who got its number meanwhile.
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	defer p.Release()
	actual, err := parentOf(ctx, pid)
	if err != nil {
		return fmt.Errorf("whose child process %d is: %w", pid, err)
	}
	if actual != parent {
		return fmt.Errorf("process %d is none of this server's", pid)
	}
	if err := p.Kill(); err != nil {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	return await(ctx, func(context.Context) (bool, error) {
		err := p.Signal(syscall.Signal(0))
		if errors.Is(err, os.ErrProcessDone) {
			return true, nil
		}
		return false, err
	})
}

// parentOf asks the kernel, or where it has no files for that, ps.
func parentOf(ctx context.Context, pid int) (int, error) {
	if runtime.GOOS != "linux" {
		out, err := exec.CommandContext(ctx, "ps", "-o", "ppid=", "-p", strconv.Itoa(pid)).Output()
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(string(bytes.TrimSpace(out)))
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// pid (name) state parent …; the name may hold anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0, fmt.Errorf("the kernel says of process %d: %q", pid, stat)
	}
	return strconv.Atoi(string(fields[1]))
}
