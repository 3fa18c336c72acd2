package suites_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/poolsql/poolsql/internal/testdb"
)

// A suite is the tests of one package of somebody else's.
type suite struct {
	pkg string
	// env says where the database is, and what else the suite asks the environment for.
	env func(dsn string) []string
	// passes is how many tests must pass on pgx at least: a suite that found no database and skipped all says nothing.
	passes int
	// differs are the differences that are allowed.
	differs []difference
	// dir is the package's folder, "" for where the go command keeps its module.
	dir string
}

// A bench is the folder where a suite is built.
type bench struct{ mod string }

// newBench writes a go.mod that is like ours and replaces the openers and what is unused.
func newBench(t *testing.T) bench {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	mod := strings.Replace(read(t, "go.mod"), "=> ../..", "=> "+root, 1)
	for _, o := range openers {
		at := filepath.Join(dir, strings.ReplaceAll(o.module, "/", "_"))
		o.copyTo(t, at)
		mod += "\nreplace " + o.module + " => " + at + "\n"
	}
	for module, source := range unused {
		at := filepath.Join(dir, strings.ReplaceAll(module, "/", "_"))
		if err := os.Mkdir(at, 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(at, "unused.go"), source)
		write(t, filepath.Join(at, "go.mod"), "module "+module+"\n")
		mod += "\nreplace " + module + " => " + at + "\n"
	}
	b := bench{filepath.Join(dir, "go.mod")}
	write(t, b.mod, mod)
	write(t, filepath.Join(dir, "go.sum"), read(t, "go.sum"))
	return b
}

// build compiles the suite's tests.
func (b bench) build(t *testing.T, s suite) (binary string) {
	t.Helper()
	binary = filepath.Join(filepath.Dir(b.mod), "suite.test")
	command(t, "go", "test", "-c", "-mod=mod", "-modfile="+b.mod, "-o", binary, s.pkg)
	return binary
}

// moduleDir returns the folder of a module that go.mod requires, which is downloaded if need be.
func moduleDir(t *testing.T, module string) string {
	t.Helper()
	var found struct{ Dir string }
	if err := json.Unmarshal(command(t, "go", "mod", "download", "-json", module), &found); err != nil {
		t.Fatal(err)
	}
	return found.Dir
}

// command returns what it writes to its standard output. It sees this module, and not the workspace.
func command(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Env = append(os.Environ(), "GOWORK=off")
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", c, err, out, &stderr)
	}
	return out
}

// run runs the suite on a database of its own. A test that ends the program, by log.Fatal or a panic, is not run again; those
// after it are, on another database, since it cannot have tidied up.
func (s suite) run(t *testing.T, binary, mode, on string) report {
	t.Helper()
	all := report{outcome: map[string]string{}, output: map[string]string{}}
	var ran []string
	for {
		db := testdb.New(t)
		c := exec.CommandContext(t.Context(), "go", "tool", "test2json", binary, "-test.v=test2json", "-test.timeout=5m",
			"-test.skip=^("+strings.Join(ran, "|")+")$")
		c.Dir = s.dir
		c.Env = append(os.Environ(), under+"="+on)
		c.Env = append(c.Env, s.env(withMode(db.DSN, mode))...)
		var stderr bytes.Buffer
		c.Stderr = &stderr
		out, err := c.Output()
		if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
			t.Fatalf("%s: %v", c, err)
		}
		some, last, err := readReport(out)
		if err != nil {
			t.Fatalf("%s on %s in mode %s: %v\n%s%s", s.pkg, on, mode, err, out, &stderr)
		}
		maps.Copy(all.outcome, some.outcome)
		maps.Copy(all.output, some.output)
		if last == "" {
			return all
		}
		for name := range some.outcome {
			if !strings.Contains(name, "/") {
				ran = append(ran, regexp.QuoteMeta(name))
			}
		}
	}
}

// withMode adds pgx's execution mode to a URL.
func withMode(dsn, mode string) string {
	separator := "?"
	if strings.Contains(dsn, "?") {
		separator = "&"
	}
	return dsn + separator + "default_query_exec_mode=" + mode
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
