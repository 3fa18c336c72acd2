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
	// pkg is the package, and dir its folder: where the tests run.
	pkg, dir string
	// env says where the database is, and what else the suite asks the environment for.
	env func(dsn string) []string
	// passes is how many tests must pass on pgx at least: a suite that found no database and skipped all says nothing.
	passes int
	// differs are the differences that are allowed.
	differs []difference
}

// A bench is the folder where a suite is built, and what its go.mod replaces, module by folder.
type bench struct {
	dir      string
	replaced map[string]string
}

// newBench makes the openers' copies.
func newBench(t *testing.T) bench {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	b := bench{t.TempDir(), map[string]string{"github.com/poolsql/poolsql": root}}
	for _, o := range openers {
		o.copyTo(t, b.put(o.module))
	}
	return b
}

// put returns the folder that replaces the module.
func (b bench) put(module string) string {
	dir := filepath.Join(b.dir, strings.ReplaceAll(module, "/", "_"))
	b.replaced[module] = dir
	return dir
}

// build compiles the tests of a package of a module that our go.mod requires.
func (b bench) build(t *testing.T, pkg string) (binary string) {
	t.Helper()
	for module, source := range unused {
		dir := b.put(module)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "unused.go"), source)
		write(t, filepath.Join(dir, "go.mod"), "module "+module+"\n")
	}
	mod := filepath.Join(b.dir, "go.mod")
	write(t, mod, read(t, "go.mod"))
	write(t, filepath.Join(b.dir, "go.sum"), read(t, "go.sum"))
	command(t, "", "go", append(b.edits(), mod)...)
	binary = filepath.Join(b.dir, "suite.test")
	command(t, "", "go", "test", "-c", "-mod=mod", "-modfile="+mod, "-o", binary, pkg)
	return binary
}

// edits are the arguments by which the go command writes what is replaced into a go.mod.
func (b bench) edits() []string {
	args := []string{"mod", "edit"}
	for module, dir := range b.replaced {
		args = append(args, "-replace="+module+"="+dir)
	}
	return args
}

// moduleDir returns the folder of a module that go.mod requires, which is downloaded if need be.
func moduleDir(t *testing.T, module string) string {
	t.Helper()
	var found struct{ Dir string }
	if err := json.Unmarshal(command(t, "", "go", "mod", "download", "-json", module), &found); err != nil {
		t.Fatal(err)
	}
	return found.Dir
}

// command runs a program in dir and returns what it writes to its standard output. It sees no workspace.
func command(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir = dir
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
