package testdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// oldest is the first major version that is supported here: drop database with
// (force) came with it.
const oldest = 13

// errNoPrograms is in the error of a machine without PostgreSQL.
var errNoPrograms = errors.New("no PostgreSQL found for the tests")

// findPrograms is the folder of an initdb and a postgres that run.
func findPrograms(ctx context.Context, a *account) (string, error) {
	choice := os.Getenv(envPrograms)
	if version, ok := strings.CutPrefix(choice, "embedded"); ok {
		return embeddedPrograms(ctx, a, strings.TrimPrefix(version, ":"))
	}
	if choice != "" {
		if err := usable(ctx, a, choice); err != nil {
			return "", fmt.Errorf("%s: %w", envPrograms, err)
		}
		return choice, nil
	}
	return firstUsable(ctx, a, installed(ctx))
}

// firstUsable downloads where no folder holds programs that run.
func firstUsable(ctx context.Context, a *account, dirs []string) (string, error) {
	var tried []error
	for _, dir := range dirs {
		err := usable(ctx, a, dir)
		if err == nil {
			return dir, nil
		}
		tried = append(tried, err)
	}
	dir, err := embeddedPrograms(ctx, a, "")
	if err == nil {
		return dir, nil
	}
	return "", noPrograms(append(tried, err))
}

func noPrograms(tried []error) error {
	return fmt.Errorf(`%w. Any one of these helps:
  - Debian, Ubuntu: apt-get install postgresql
  - Fedora, Red Hat: dnf install postgresql-server
  - macOS: brew install postgresql@17
  - a server that runs: %s=postgres://user:password@host/database
  - another place of initdb and postgres: %s=/path/to/bin
What was tried:
%w`, errNoPrograms, envDatabaseURL, envPrograms, errors.Join(tried...))
}

// installed lists the folders where packages put the server's programs. Those
// of the PATH come first: who put them there wants them. A folder may come twice.
func installed(ctx context.Context) []string {
	var dirs []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if _, err := os.Stat(filepath.Join(dir, executable("initdb"))); err == nil && filepath.IsAbs(dir) {
			dirs = append(dirs, dir)
		}
	}
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",            // Debian, Ubuntu
		"/opt/homebrew/opt/postgresql*/bin",    // Homebrew on ARM
		"/usr/local/opt/postgresql*/bin",       // Homebrew on Intel
		"/usr/pgsql-*/bin",                     // Red Hat, PostgreSQL's packages
		`C:\Program Files\PostgreSQL\*\bin`,    // Windows installer
		"/usr/libexec/postgresql*",             // Alpine
		"/Applications/Postgres.app/*/*/*/bin", // macOS, Postgres.app
	} {
		found, _ := filepath.Glob(pattern) // fails only for a bad pattern
		slices.SortFunc(found, newestFirst)
		dirs = append(dirs, found...)
	}
	return dirs
}

var number = regexp.MustCompile(`\d+`)

// newestFirst orders paths by the first number in them: 9 is older than 17.
func newestFirst(a, b string) int {
	return majorIn(b) - majorIn(a)
}

func majorIn(text string) int {
	n, _ := strconv.Atoi(number.FindString(text)) // no number is 0, the oldest
	return n
}

// usable runs the programs as the user that will run the server: a folder that
// is there may be closed to that user, or hold only part of them.
func usable(ctx context.Context, a *account, dir string) error {
	for _, name := range []string{"initdb", "postgres"} {
		cmd := exec.CommandContext(ctx, filepath.Join(dir, name), "--version")
		cmd.Dir = filepath.VolumeName(dir) + string(filepath.Separator)
		cmd.Env = serverEnv()
		a.apply(cmd)
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		if major := majorIn(string(out)); major < oldest {
			return fmt.Errorf("%s: version %d is too old, %d is needed", dir, major, oldest)
		}
	}
	return nil
}

func executable(name string) string {
	if runtime.GOOS == "windows" {
		return name + ".exe"
	}
	return name
}
