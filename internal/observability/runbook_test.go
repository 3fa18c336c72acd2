package observability_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/internal/observability/prometheus"
	"github.com/poolsql/poolsql/internal/observability/promql"
	"github.com/poolsql/poolsql/internal/testdb"
	poolotel "github.com/poolsql/poolsql/otel"
)

// documents are the pages for operators, by their path from the root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root(t), "docs", "runbook", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	texts := make(map[string]string)
	for _, path := range append(paths, filepath.Join(root(t), example, "README.md")) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[path] = string(text)
	}
	if len(texts) < 12 {
		t.Fatalf("only %d pages", len(texts))
	}
	return texts
}

var (
	linkPattern  = regexp.MustCompile(`\]\(([^)#:]+)\)`)
	blockPattern = regexp.MustCompile("(?ms)^ *```(promql|sql)\n(.*?)^ *```")
)

func TestPagesLinkToWhatExists(t *testing.T) {
	for path, text := range documents(t) {
		for _, link := range linkPattern.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), link[1])); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}

// expressions returns those of a block: each begins at the margin, and goes on where lines are indented.
func expressions(block string) (exprs []string) {
	margin := len(block) - len(strings.TrimLeft(block, " "))
	for line := range strings.Lines(block) {
		line = strings.TrimRight(line, "\n")
		if line = line[min(margin, len(line)):]; line == "" {
			continue
		}
		if strings.HasPrefix(line, " ") && len(exprs) > 0 {
			exprs[len(exprs)-1] += "\n" + line
		} else {
			exprs = append(exprs, line)
		}
	}
	return exprs
}

// TestRunbooksAskWhatCanBeAnswered asks everything that the pages tell an operator to ask, of a real Prometheus and a real
// server.
func TestRunbooksAskWhatCanBeAnswered(t *testing.T) {
	testdb.NoLeaks(t)
	s := newSite(t)
	database := testdb.New(t)
	s.open(poolsql.Config{Name: "main", DSN: database.DSN})
	p := prometheus.Start(t, prometheus.Config{Every: time.Second, Job: "app", Targets: []string{s.address()}})
	server, err := pgx.Connect(t.Context(), database.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close(context.Background()) })
	known := make(map[string]bool)
	for _, m := range poolotel.Catalogue() {
		known[m.Prometheus] = !m.Template
		if m.Kind == poolotel.Histogram {
			known[m.Prometheus+"_sum"], known[m.Prometheus+"_count"], known[m.Prometheus+"_bucket"] = true, true, true
		}
	}

	asked := 0
	for path, text := range documents(t) {
		page := filepath.Base(path)
		for _, block := range blockPattern.FindAllStringSubmatch(text, -1) {
			asked++
			switch {
			case block[1] == "promql":
				for _, expr := range expressions(block[2]) {
					if _, err := p.Query(t.Context(), expr); err != nil {
						t.Errorf("%s: %v", page, err)
					}
					for _, metric := range promql.Metrics(expr) {
						if !known[metric] {
							t.Errorf("%s asks for %s, which no pool has", page, metric)
						}
					}
				}
			case strings.Contains(block[2], "pg_stat_statements"): // which a server has only if it was started with it
			default:
				if _, err := server.PgConn().Exec(t.Context(), block[2]).ReadAll(); err != nil {
					t.Errorf("%s: %v\n%s", page, err, block[2])
				}
			}
		}
	}
	if asked < 20 {
		t.Errorf("only %d blocks", asked)
	}
}
