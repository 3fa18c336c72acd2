//go:build unix

package testdb

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// envEnding makes the test binary play a program that starts a server and then
// ends in the way that it names.
const envEnding = "POOLSQL_TEST_ENDING"

// remains is what such a program would leave if nobody cleaned up.
type remains struct {
	Dirs   []string
	Groups []int // of each watchdog and its postmaster
	Pids   []int // of the backends, which have groups of their own
}

func remainsOf(clusters ...*cluster) (r remains) {
	for _, c := range clusters {
		r.Dirs = append(r.Dirs, c.dir)
		r.Groups = append(r.Groups, c.watchdog.cmd.Process.Pid)
	}
	return r
}

// TestNothingRemains runs a test binary that uses a database, ends it in each
// way that a process can end, and looks for what is left. All at once and not as
// parallel subtests, as they mostly wait: more than there are processors.
func TestNothingRemains(t *testing.T) {
	var wg sync.WaitGroup
	for _, e := range []ending{
		{name: "after passing", play: "return"},
		{name: "after failing", play: "fail"},
		{name: "after a panic", play: "panic"},
		{name: "after a panic in another goroutine", play: "panic elsewhere"},
		{name: "after os.Exit", play: "exit"},
		{name: "after an interrupt", play: "wait", signal: syscall.SIGINT},
		{name: "after kill", play: "wait", signal: syscall.SIGTERM},
		{name: "after kill -9", play: "wait", signal: syscall.SIGKILL},
		{name: "after kill -9 during initdb", play: "initdb", signal: syscall.SIGKILL},
		{name: "after a panic with a pair", play: "pair panic"},
		{name: "after kill -9 with a pair", play: "pair wait", signal: syscall.SIGKILL},
	} {
		wg.Go(func() {
			if err := e.happen(); err != nil {
				t.Errorf("%s: %v", e.name, err)
			}
		})
	}
	wg.Wait()
}

type ending struct {
	name   string
	play   string // what TestPlayEnding does
	signal syscall.Signal
}

func (e ending) happen() error {
	cmd := exec.Command(os.Args[0], "-test.run=^TestPlayEnding$")
	cmd.Env = append(os.Environ(), envEnding+"="+e.play, envDatabaseURL+"=", "GORACE=atexit_sleep_ms=0")
	// As a shell does it: the interrupt goes to a whole group.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	line, readErr := bufio.NewReader(out).ReadBytes('\n')
	var signalErr error
	if e.signal != 0 {
		signalErr = syscall.Kill(-cmd.Process.Pid, e.signal)
	}
	waitErr := cmd.Wait()
	if err := errors.Join(readErr, signalErr); err != nil {
		return err
	}
	if passes := e.play == "return"; passes != (waitErr == nil) {
		return fmt.Errorf("the program ended with %w", waitErr)
	}
	var left remains
	if err := json.Unmarshal(line, &left); err != nil || len(left.Groups) == 0 {
		return fmt.Errorf("the program said %q: %w", line, err)
	}
	return gone(left)
}

func gone(left remains) error {
	var list []string
	_ = poll(20*time.Second, func() (bool, error) {
		list = found(left)
		return len(list) == 0, nil
	})
	if len(list) > 0 {
		return fmt.Errorf("still there: %s", strings.Join(list, ", "))
	}
	return nil
}

func found(left remains) (list []string) {
	for _, group := range left.Groups {
		left.Pids = append(left.Pids, -group)
	}
	for _, pid := range left.Pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			list = append(list, fmt.Sprintf("process %d (negative: a group)", pid))
		}
	}
	for _, dir := range left.Dirs {
		if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
			list = append(list, dir)
		}
	}
	return list
}

func TestSuspendedServerEndsNevertheless(t *testing.T) {
	t.Parallel()
	NoLeaksInParallel(t)
	s := Private(t).Server
	c := s.cluster
	if err := c.postgres.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := gone(remainsOf(c)); err != nil {
		t.Error(err)
	}
}

// TestPlayEnding is the program; by itself it does nothing.
func TestPlayEnding(t *testing.T) {
	play := os.Getenv(envEnding)
	switch play {
	case "":
		t.Skip("played by TestNothingRemains")
	case "initdb":
		playInitdb(t)
	}
	play, isPair := strings.CutPrefix(play, "pair ")
	if isPair {
		p := Replicated(t)
		sayProcesses(t, p.Primary(), p.Standby())
	} else {
		sayProcesses(t, New(t).Server)
	}
	switch play {
	case "return":
	case "fail":
		t.Fatal("as wanted")
	case "panic":
		panic("as wanted")
	case "panic elsewhere":
		go panic("as wanted")
		select {}
	case "exit":
		os.Exit(1)
	case "wait":
		time.Sleep(time.Minute) // the signal comes before
	}
}

// playInitdb speaks while initdb is at work.
func playInitdb(t *testing.T) {
	c, err := newCluster()
	if err != nil {
		t.Fatal(err)
	}
	go c.create(context.Background(), nil)
	err = poll(time.Minute, func() (bool, error) {
		_, err := os.Stat(filepath.Join(c.data(), "global"))
		return err == nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	say(t, remainsOf(c))
	time.Sleep(time.Minute) // the signal comes before
}

// sayProcesses speaks while the servers have a session each.
func sayProcesses(t *testing.T, servers ...*Server) {
	t.Helper()
	var left remains
	for _, s := range servers {
		of := remainsOf(s.cluster)
		left.Dirs, left.Groups = append(left.Dirs, of.Dirs...), append(left.Groups, of.Groups...)
		conn, err := pgx.Connect(t.Context(), s.DSN())
		if err != nil {
			t.Fatal(err)
		}
		rows, err := conn.Query(t.Context(), "select pid from pg_stat_activity")
		if err != nil {
			t.Fatal(err)
		}
		pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
		if err != nil {
			t.Fatal(err)
		}
		left.Pids = append(left.Pids, pids...)
	}
	say(t, left)
}

func say(t *testing.T, left remains) {
	t.Helper()
	line, err := json.Marshal(left)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("%s\n", line)
}
