package suites_test

import (
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/poolsql/poolsql/internal/testdb"
)

// modes are pgx's execution modes in which the suites run: how a statement reaches the server decides about types, and
// about what is prepared. All five are run where POOLSQL_SUITES is "all", else the one that is pgx's default.
func modes() []string {
	if os.Getenv("POOLSQL_SUITES") == "all" {
		return slices.Concat(caching, uncached)
	}
	return caching[:1]
}

// Modes that remember statements, and modes that do not.
var (
	caching  = []string{"cache_statement", "cache_describe"}
	uncached = []string{"exec", "describe_exec", "simple_protocol"}
)

// stalePlan is why some tests pass on poolsql that fail on pgx.
const stalePlan = "a test drops a table and makes another one of its name; pgx runs the statement that it has prepared for the " +
	"first, or reads its rows by the first one's description, and fails; poolsql prepares it anew"

func TestSqlxSaysTheSameOnBoth(t *testing.T) {
	compare(t, suite{
		pkg: "github.com/jmoiron/sqlx",
		env: func(dsn string) []string {
			return []string{"SQLX_POSTGRES_DSN=" + dsn, "SQLX_MYSQL_DSN=skip", "SQLX_SQLITE_DSN=skip"}
		},
		passes: 50,
		differs: []difference{{
			on: []string{onPoolsql, onAround}, modes: caching, pgx: "fail", here: "pass", why: stalePlan,
			tests: []string{"TestUsage", "TestUsageContext"},
		}, {
			// By Prepare it is the same without a cache. This test ends the program when it fails.
			on: []string{onPoolsql, onAround}, modes: uncached, pgx: fatal, here: "pass", why: stalePlan,
			tests: []string{"TestNamedQuery"},
		}},
	})
}

func TestTheFirstGORMSaysTheSameOnBoth(t *testing.T) {
	compare(t, suite{
		pkg: "github.com/jinzhu/gorm", env: gormOn("postgres"), passes: 190,
		differs: []difference{{
			on: []string{onPoolsql, onAround}, modes: caching, pgx: "fail", here: "pass", why: stalePlan,
			tests: []string{
				"TestAnonymousField", "TestAutoSaveHasOneAssociation", "TestManyToManyPreloadForNestedPointer",
				"TestManyToManyPreloadForPointer", "TestNestedManyToManyPreload", "TestNestedManyToManyPreload2",
				"TestNestedManyToManyPreload3", "TestNestedPreload3", "TestNestedPreload9", "TestNilPointerSlice",
				"TestPrefixedPreloadDuplication",
			},
		}},
	})
}

func TestGORMsDatatypesSayTheSameOnBoth(t *testing.T) {
	compare(t, suite{pkg: "gorm.io/datatypes", env: gormOn("postgres"), passes: 10})
}

func gormOn(dialect string) func(dsn string) []string {
	return func(dsn string) []string {
		return []string{"GORM_DIALECT=" + dialect, "GORM_DSN=" + dsn, "DEBUG=false"}
	}
}

// compare runs the suite on pgx and on poolsql in each mode, and fails for each test whose outcome is another.
func compare(t *testing.T, s suite) {
	t.Helper()
	s.dir = moduleDir(t, s.pkg)
	compareBuilt(t, s, newBench(t).build(t, s.pkg))
}

func compareBuilt(t *testing.T, s suite, binary string) {
	t.Helper()
	testdb.NoLeaks(t)
	for _, mode := range modes() {
		t.Run(mode, func(t *testing.T) {
			pgx := s.run(t, binary, mode, onPgx)
			passed := 0
			for _, name := range slices.Sorted(maps.Keys(pgx.outcome)) {
				switch pgx.outcome[name] {
				case "pass":
					passed++
				case "fail":
					t.Logf("fails on pgx: %s\n%s", name, pgx.output[name])
				}
			}
			t.Logf("%d of %d pass on pgx", passed, len(pgx.outcome))
			if passed < s.passes {
				t.Errorf("that is less than %d", s.passes)
			}
			for _, on := range []string{onPoolsql, onAround} {
				for _, difference := range differences(pgx, s.run(t, binary, mode, on), on, mode, s.differs) {
					t.Error(difference)
				}
			}
		})
	}
}
