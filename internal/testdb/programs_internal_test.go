package testdb

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestNewestProgramsComeFirst(t *testing.T) {
	dirs := []string{
		"/usr/lib/postgresql/9/bin",
		"/usr/lib/postgresql/17/bin",
		"/usr/lib/postgresql/15/bin",
	}
	slices.SortFunc(dirs, newestFirst)
	if got := strings.Join(dirs, " "); got != "/usr/lib/postgresql/17/bin /usr/lib/postgresql/15/bin /usr/lib/postgresql/9/bin" {
		t.Errorf("got %s", got)
	}
}

func TestProgramsOfThePathComeBeforeAllOthers(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, executable("initdb")), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	if got := installed(t.Context()); len(got) == 0 || got[0] != dir {
		t.Errorf("got %q, want %s first", got, dir)
	}
}

func TestChosenProgramsAreNotReplacedByOthers(t *testing.T) {
	empty := t.TempDir()
	t.Setenv(envPrograms, empty)
	_, err := findPrograms(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), envPrograms) || !strings.Contains(err.Error(), empty) {
		t.Errorf("got %v, want an error that names the variable and its value", err)
	}
}

func TestMachineWithoutProgramsGetsOneErrorThatHelps(t *testing.T) {
	t.Setenv("PATH", "") // no go command either, hence no download
	_, err := firstUsable(t.Context(), nil, []string{"/no/such/bin"})
	if !errors.Is(err, errNoPrograms) {
		t.Fatalf("got %v, want errNoPrograms", err)
	}
	for _, want := range []string{"apt-get install", "brew install", envDatabaseURL, envPrograms, "/no/such/bin", "download"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %q:\n%v", want, err)
		}
	}
}

func TestPortThatIsTakenIsToldFromOtherFailures(t *testing.T) {
	NoLeaks(t)
	s := Private(t).Server
	if err := s.Stop(t.Context(), Immediate); err != nil {
		t.Fatal(err)
	}
	c := s.cluster
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c.port = l.Addr().(*net.TCPAddr).Port
	if err := c.configure(nil); err != nil {
		t.Fatal(err)
	}
	if err := c.start(t.Context()); !errors.Is(err, errPortTaken) {
		t.Errorf("on a taken port: %v", err)
	}
	if err := c.configure([]string{"no_such_setting = 1"}); err != nil {
		t.Fatal(err)
	}
	if err := c.start(t.Context()); err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("with a bad setting: %v, want the server's own words", err)
	}
}
