// Command schema holds the dashboard against the schema that Grafana publishes.
//
//	go run ./internal/observability/schema
//
// Grafana's schema is in the npm registry as types for TypeScript (@grafana/schema), and that of a query to Prometheus in
// another package (@grafana/grafana-foundation-sdk), so the compiler is asked whether the dashboard is of these types. A
// property that does not exist, a value that is none of an enum's, and a required one that is missing are all errors. To
// see that they are, the compiler is also asked about dashboards that are wrong.
//
// It needs node, and npm with access to its packages. It fails if it cannot look.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/poolsql/poolsql/internal/observability"
	"github.com/poolsql/poolsql/internal/observability/dashboard"
)

// The versions are pinned, so that a new one does not break a build; to raise them is a change like any other.
const (
	compiler = "5.9.3"
	queries  = "0.0.21"
)

// grafanas are the versions of Grafana that the dashboard is held against: the oldest that it is for, that of the example, and the
// newest.
var grafanas = []string{"11.6.16", "12.1.1", "13.2.3"}

//go:embed check.ts.txt
var check string

const compilerOptions = `{
  "compilerOptions": {"strict": true, "noEmit": true, "skipLibCheck": true, "target": "es2022", "module": "esnext", "moduleResolution": "bundler", "types": []},
  "include": ["*.ts"]
}
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "schema: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	root, err := observability.Root()
	if err != nil {
		return err
	}
	board, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(dashboard.Path)))
	if err != nil {
		return err
	}
	for _, version := range grafanas {
		if err := checkAgainst(ctx, version, string(board)); err != nil {
			return fmt.Errorf("Grafana %s: %w", version, err)
		}
		fmt.Printf("%s is as the schema of Grafana %s has it\n", dashboard.Path, version)
	}
	return nil
}

func checkAgainst(ctx context.Context, version, board string) (err error) {
	dir, err := os.MkdirTemp("", "poolsql-schema-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := install(ctx, dir, version); err != nil {
		return err
	}
	files := map[string]string{"board.ts": board}
	for i, m := range mistakes {
		wrong := strings.Replace(board, m.right, m.wrong, 1)
		if wrong == board {
			return fmt.Errorf("the dashboard has no %s to make a mistake of", m.right)
		}
		files[m.file(i)] = wrong
	}
	output, err := compile(ctx, dir, files)
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("run the compiler: %w", err)
	}
	for i, m := range mistakes {
		if !strings.Contains(output, m.file(i)+"(") {
			return fmt.Errorf("the compiler does not see %s: %w\n%s", m.wrong, err, output)
		}
	}
	for line := range strings.Lines(output) {
		if !strings.HasPrefix(line, "wrong") && !strings.HasPrefix(line, " ") {
			return fmt.Errorf("%s is not as its schema has it:\n%s", dashboard.Path, output)
		}
	}
	return nil
}

// A mistake is what must be found, made of something that the dashboard has.
type mistake struct{ right, wrong string }

// file is the name of the file of the i-th.
func (mistake) file(i int) string { return fmt.Sprintf("wrong%d.ts", i) }

var mistakes = []mistake{
	{`"schemaVersion": `, `"schemaVersions": `},
	{`"type": "heatmap"`, `"type": "heatmaps"`},
	{`"showPoints": "never"`, `"showPoints": "sometimes"`},
	{`"graphMode": "area"`, `"graphMode": "areas"`},
	{`"exemplar": true`, `"exemplars": true`},
	{`"format": "heatmap"`, `"format": "heat"`},
	{`"mode": "palette-classic"`, `"mode": "palette"`},
	{`"includeAll": true`, `"includeAll": "yes"`},
	{`"h": 4,`, ``},
}

// install gets the types and the compiler. Scripts of packages are not run.
func install(ctx context.Context, dir, version string) error {
	manifest, err := json.Marshal(map[string]any{
		"private": true,
		"type":    "module",
		"dependencies": map[string]string{
			"@grafana/schema": version, "@grafana/grafana-foundation-sdk": queries, "typescript": compiler,
		},
	})
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{"package.json": manifest, "tsconfig.json": []byte(compilerOptions)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
	}
	npm := exec.CommandContext(ctx, "npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	npm.Dir = dir
	if output, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("get the schema by npm (Debian: apt-get install npm): %w\n%s", err, output)
	}
	return nil
}

// compile asks the compiler about dashboards, by the name of a file for each.
func compile(ctx context.Context, dir string, boards map[string]string) (output string, err error) {
	for name, board := range boards {
		source := check + "  " + strings.TrimSpace(board) + ";\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(source), 0o600); err != nil {
			return "", err
		}
	}
	tsc := exec.CommandContext(ctx, "node", filepath.Join("node_modules", "typescript", "bin", "tsc"), "--project", ".", "--pretty", "false")
	tsc.Dir = dir
	out, err := tsc.CombinedOutput()
	return string(out), err
}
