package suites_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The second GORM has its suite in a module of its own, gorm.io/gorm/tests, that is part of its repository and that no proxy
// had when this was written. From a clone, which POOLSQL_GORM_REPOSITORY names, it is run as it is. Where there is none, what
// programs do with GORM, in testdata, stands in its place, in a clone that is made up.
func TestTheSecondGORMSaysTheSameOnBoth(t *testing.T) {
	b := newBench(t)
	clone := filepath.Join(b.dir, "gorm")
	s := suite{pkg: "gorm.io/gorm/tests", dir: filepath.Join(clone, "tests"), env: gormOn("postgres"), passes: 33}
	if repository := os.Getenv("POOLSQL_GORM_REPOSITORY"); repository != "" {
		copyFolder(t, repository, clone)
		s.passes = 300
	} else {
		copyFolder(t, moduleDir(t, "gorm.io/gorm"), clone)
		copyFolder(t, "testdata/gorm", s.dir)
		write(t, filepath.Join(s.dir, "go.mod"), "module gorm.io/gorm/tests\n\nreplace gorm.io/gorm => ../\n")
		write(t, filepath.Join(s.dir, "go.sum"), "")
	}
	compareBuilt(t, s, b.buildClone(t, s))
}

// buildClone compiles the tests of a module that is no dependency of ours. Its go.mod is made to require what ours does, so
// that both are of the same versions.
func (b bench) buildClone(t *testing.T, s suite) (binary string) {
	t.Helper()
	// What it pins pgx to, if it does, is older than what poolsql needs.
	edits := append(b.edits(), "-go=1.26.0", "-dropreplace=github.com/jackc/pgx/v5")
	for _, module := range []string{"github.com/poolsql/poolsql", "gorm.io/driver/postgres", "gorm.io/gorm", "github.com/lib/pq"} {
		edits = append(edits, "-require="+version(t, module))
	}
	command(t, s.dir, "go", edits...)
	write(t, filepath.Join(s.dir, "go.sum"), read(t, filepath.Join(s.dir, "go.sum"))+read(t, "go.sum"))
	binary = filepath.Join(b.dir, "suite.test")
	command(t, s.dir, "go", "test", "-c", "-mod=mod", "-o", binary, ".")
	return binary
}

// version returns module@version as our go.mod has it.
func version(t *testing.T, module string) string {
	t.Helper()
	return strings.TrimSpace(string(command(t, "", "go", "list", "-m", "-f", "{{.Path}}@{{.Version}}", module)))
}
