package poolsql_test

import (
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// This file is a statement of policy: what may import what, under which names. Do not change its tables to make a build
// pass; change them when the design changes, and docs/design.md with them.

const module = "github.com/poolsql/poolsql"

const pgxModule = "github.com/jackc/pgx/v5"

// A part is a package, or a folder of them, and what it may know.
type part struct {
	dir  string
	name string // of the package, where it is not the folder's
	// rank orders the parts: each imports only parts of lower rank, so that two of one rank never see each other.
	rank int
	// external are the modules outside this one that it may import. Everything else there is forbidden, so that a new
	// dependency is a decision and not an accident.
	external []string
	// never are packages of the standard library that it must not know.
	never []string
}

var parts = []part{
	{dir: "internal/mono", rank: -1, never: []string{"database/sql", "net/http"}},
	{dir: "internal/sqltext", rank: -1, never: []string{"database/sql", "net/http"}},
	{dir: "internal/dsn", rank: -1, never: []string{"database/sql", "net/http"}},
	{dir: "internal/adaptive", rank: 0, never: []string{"database/sql", "net", "net/http"}},
	{dir: "priority", rank: 0, never: []string{"database/sql", "net", "net/http"}},
	{dir: "lifecycle", rank: 1, never: []string{"database/sql", "net", "net/http"}},
	{dir: "driver", name: "pooldriver", rank: 2, external: []string{pgxModule}, never: []string{"net/http"}},
	{dir: "health", rank: 4},
	{dir: "otel", name: "poolotel", rank: 4, external: []string{
		"go.opentelemetry.io/otel", "github.com/XSAM/otelsql", "github.com/prometheus/client_golang",
	}},
	{dir: "connector/pgbouncer", rank: 2, external: []string{pgxModule}, never: []string{"net/http"}},
	{dir: "connector/poolhttp", rank: 4},
	{dir: "connector", rank: 3, external: []string{pgxModule}, never: []string{"net/http"}},
	{dir: "", name: "poolsql", rank: 4, never: []string{"net/http"}},
	{dir: "presets", rank: 5, external: []string{pgxModule, "github.com/caarlos0/env/v11"}, never: []string{"net/http"}},
}

// public, in a list of folders, is every part that users may import.
const public = "public"

// scaffolds are there for tests and for examples: no part imports them outside its tests. They are in the library's
// module, so that they may have no dependency that it has not. With each goes what they may import of this module. A
// scaffold that imports parts can be used by their external tests (package x_test) only.
var scaffolds = map[string][]string{
	"internal/testdb":      {},
	"internal/conformance": {public, "internal/testdb"},
}

// apart are modules of their own, whose dependencies no user of the library gets: they may import whatever is outside.
// With each goes what it may import of this module.
var apart = map[string][]string{
	"examples":                 {public, "internal/testdb"},
	"internal/docscheck":       {public},
	"internal/integration":     {public, "internal/testdb"},
	"internal/observability":   {public, "internal/testdb"},
	"internal/readcheck":       {"internal/sqltext", "internal/testdb"},
	"internal/browser":         {public, "internal/testdb"},
	"internal/suites":          {public, "internal/testdb"},
	"internal/testdb/embedded": {},
	"internal/tools":           {},
}

// allowedInTests are imports that only the tests of a folder may have, beside those of the folder itself and the
// scaffolds. A test of a lower part may look at it through a higher one where the lower part alone would have to be
// mocked; it stands here so that each such look upward was a decision.
var allowedInTests = map[string][]string{
	"driver":       {"connector", "", "github.com/DATA-DOG/go-sqlmock"},                   // the last is what users put inside in their tests
	"priority":     {"database/sql/driver", "net"},                                        // its errors must match, or not match, what these have
	"internal/dsn": {pgxModule},                                                           // which must read what it reads
	"lifecycle":    {"net"},                                                               // so must its, and an example keeps network connections
	"presets":      {"github.com/DATA-DOG/go-sqlmock", "net/http"},                        // an inner driver that no DSN stands beside; a scrape
	"health":       {pgxModule},                                                           // what a server says, which must not be shown
	"otel":         {pgxModule},                                                           // execution modes decide about comments
	"":             {pgxModule, "health", "otel", "go.opentelemetry.io/otel", "net/http"}, // whatever shows something to others
}

// aliases are the names under which the packages are imported whose clause, or whose folder, other packages have too. ""
// is no alias. So `driver` is database/sql/driver and `otel` is OpenTelemetry's in every file.
var aliases = map[string]string{
	"database/sql/driver":      "",
	"go.opentelemetry.io/otel": "",
	module + "/driver":         "pooldriver",
	module + "/otel":           "poolotel",
}

func TestEachPartImportsLowerRanksOnly(t *testing.T) {
	seen := make(map[string]bool)
	for _, f := range sourceFiles(t) {
		for _, wrong := range checkImports(f) {
			t.Error(wrong)
		}
		for _, wrong := range checkNames(f) {
			t.Error(wrong)
		}
		seen[f.dir()] = true
	}
	// If the walk went astray, everything above would hold of nothing.
	for _, dir := range []string{"", "priority", "lifecycle", "driver", "connector", "internal/testdb", "examples/quickstart"} {
		if !seen[dir] {
			t.Errorf("no file in %q was looked at", dir)
		}
	}
}

func TestEachPackageHasOnePackageComment(t *testing.T) {
	for _, wrong := range checkPackages(sourceFiles(t)) {
		t.Error(wrong)
	}
}

// TestTheImportRuleSeesWhatBreaksIt proves that the tests above can fail: each file here must be found fault with, for the
// reason given, unless that is empty.
func TestTheImportRuleSeesWhatBreaksIt(t *testing.T) {
	for _, c := range []struct {
		name, path, imports, fault string
	}{
		{"lower rank", "lifecycle/a.go", `"github.com/poolsql/poolsql/priority"`, ""},
		{"higher rank", "priority/a.go", `"github.com/poolsql/poolsql/lifecycle"`, "lower ranks only"},
		{"higher rank in a test", "priority/a_test.go", `"github.com/poolsql/poolsql/lifecycle"`, "lower ranks only"},
		{"higher rank in a test that may", "driver/a_test.go", `"github.com/poolsql/poolsql/connector"`, ""},
		{"the same without a test", "driver/a.go", `"github.com/poolsql/poolsql/connector"`, "lower ranks only"},
		{"same rank", "health/a.go", `poolotel "github.com/poolsql/poolsql/otel"`, "lower ranks only"},
		{"the face from below", "connector/a.go", `"github.com/poolsql/poolsql"`, "lower ranks only"},
		{"folder below a part", "otel/prom/a.go", `"github.com/poolsql/poolsql/health"`, "lower ranks only"},
		{"new folder", "pool/a.go", `"fmt"`, "in none of this test's tables"},
		{"unknown folder", "connector/a.go", `"github.com/poolsql/poolsql/pool"`, "in none of this test's tables"},
		{"a module with a longer name is not ours", "internal/mono/a.go", `"github.com/poolsql/poolsqlx"`, "of others only"},
		{"SQL in priority", "priority/a.go", `"database/sql"`, "must not know"},
		{"SQL in lifecycle", "lifecycle/a.go", `"database/sql/driver"`, "must not know"},
		{"pgx in lifecycle", "lifecycle/a.go", `"github.com/jackc/pgx/v5"`, "of others only"},
		{"pgx in health", "health/a.go", `"github.com/jackc/pgx/v5/pgconn"`, "of others only"},
		{"pgx in driver", "driver/a.go", `"github.com/jackc/pgx/v5/stdlib"`, ""},
		{"HTTP in connector", "connector/a.go", `"net/http"`, "must not know"},
		{"HTTP where it belongs", "connector/poolhttp/a.go", `"net/http"`, ""},
		{"the door for HTTP from the face", "a.go", `"github.com/poolsql/poolsql/connector/poolhttp"`, "lower ranks only"},
		{"OpenTelemetry in connector", "connector/a.go", `"go.opentelemetry.io/otel"`, "of others only"},
		{"new dependency in a test", "connector/a_test.go", `"github.com/stretchr/testify/assert"`, "of others only"},
		{"scaffold in a test", "connector/a_test.go", `"github.com/poolsql/poolsql/internal/testdb"`, ""},
		{"scaffold in the library", "connector/a.go", `"github.com/poolsql/poolsql/internal/testdb"`, "for tests and examples"},
		{"part in a scaffold", "internal/testdb/a.go", `"github.com/poolsql/poolsql/connector"`, "may import of this module only"},
		{"part in a scaffold that may", "internal/conformance/a.go", `"github.com/poolsql/poolsql"`, ""},
		{"new dependency in a scaffold", "internal/conformance/a.go", `"github.com/DATA-DOG/go-sqlmock"`, "only pgx"},
		{"example", "examples/x/a.go", `"github.com/poolsql/poolsql"`, ""},
		{"example with a database", "examples/x/a.go", `"github.com/poolsql/poolsql/internal/testdb"`, ""},
		{"example with internals", "examples/x/a.go", `"github.com/poolsql/poolsql/internal/mono"`, "may import of this module only"},
		{"example in the library", "connector/a.go", `"github.com/poolsql/poolsql/examples/x"`, "module of its own"},
		{"driver without alias", "connector/a.go", `"github.com/poolsql/poolsql/driver"`, "write the alias pooldriver"},
		{"driver with another alias", "connector/a.go", `pd "github.com/poolsql/poolsql/driver"`, "write the alias pooldriver"},
		{"otel without alias", "examples/x/a.go", `"github.com/poolsql/poolsql/otel"`, "write the alias poolotel"},
		{"renamed driver", "driver/a.go", `sqldriver "database/sql/driver"`, "keeps its own name"},
		{"renamed otel", "otel/a.go", `otelapi "go.opentelemetry.io/otel"`, "keeps its own name"},
		{"somebody else as driver", "examples/x/a.go", `driver "github.com/go-sql-driver/mysql"`, "taken in every file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			expectFault(t, checkImports(parse(t, c.path, "package x\nimport "+c.imports+"\n")), c.fault)
		})
	}
}

func TestTheNameRuleSeesWhatBreaksIt(t *testing.T) {
	for _, c := range []struct{ name, body, fault string }{
		{"assigned", "func f() { driver := 1; _ = driver }", "called driver"},
		{"declared", "func f() { var connector int; _ = connector }", "called connector"},
		{"parameter", "func f(priority int) {}", "called priority"},
		{"result", "func f() (priority int) { return }", "called priority"},
		{"in a loop", "func f() { for _, connector := range []int{} { _ = connector } }", "called connector"},
		{"field", "type t struct{ connector int }", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			expectFault(t, checkNames(parse(t, "connector/a.go", "package connector\n"+c.body)), c.fault)
		})
	}
}

func TestThePackageRuleSeesWhatBreaksIt(t *testing.T) {
	file := func(path, text string) *sourceFile { return parse(t, path, text) }
	good := file("health/doc.go", "// Package health is well.\npackage health")
	for _, c := range []struct {
		name  string
		files []*sourceFile
		fault string
	}{
		{"one", []*sourceFile{good, file("health/a.go", "package health")}, ""},
		{"none", []*sourceFile{file("health/a.go", "package health")}, "has 0 package comments"},
		{"two", []*sourceFile{good, file("health/a.go", "// Package health has it twice.\npackage health")}, "has 2 package comments"},
		{"another beginning", []*sourceFile{file("health/doc.go", "// Health is well.\npackage health")}, "should begin with"},
		{"another clause", []*sourceFile{file("driver/doc.go", "// Package driver hides the other.\npackage driver")}, "should be pooldriver"},
		{"only tests", []*sourceFile{file("health/a_test.go", "package health_test")}, ""},
	} {
		t.Run(c.name, func(t *testing.T) { expectFault(t, checkPackages(c.files), c.fault) })
	}
}

// parse returns the file that text would be at path.
func parse(t *testing.T, path, text string) *sourceFile {
	t.Helper()
	tokens := token.NewFileSet()
	syntax, err := parser.ParseFile(tokens, path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return &sourceFile{path: path, syntax: syntax, tokens: tokens}
}

// expectFault fails the test unless one of the faults says fault, or, if that is empty, there is none.
func expectFault(t *testing.T, faults []string, fault string) {
	t.Helper()
	if fault == "" {
		if len(faults) > 0 {
			t.Errorf("found fault with what is right: %q", faults)
		}
		return
	}
	if !slices.ContainsFunc(faults, func(s string) bool { return strings.Contains(s, fault) }) {
		t.Errorf("got %q, want one that says %q", faults, fault)
	}
}
