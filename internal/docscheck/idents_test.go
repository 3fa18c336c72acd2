package docscheck

import (
	"go/scanner"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// foreign are names of other libraries that the documents speak of.
var foreign = []string{
	"MinIdleConns", "PingTimeout", "BeforeAcquire", "PrepareConn", "AfterRelease", "BeforeClose", // pgxpool
	"WithMaxWaitTime",                                            // failsafe-go
	"WithSQLCommenter", "RegisterDBStatsMetrics", "DisableQuery", // otelsql
	"WaitDuration", "MaxIdleClosed", "MaxIdleTimeClosed", "MaxLifetimeClosed", // sql.DBStats
	"OpenConnections",                          // sql.DBStats, too
	"SetConnMaxLifetime", "SetConnMaxIdleTime", // sql.DB
	"CacheDescribe", "DescribeExec", // pgx
	"PrepareStmt",           // GORM
	"DateStyle", "TimeZone", // PostgreSQL
	"Locked", // the end of a name
}

var (
	// exportedName matches a name as Go exports it, with a small letter in it, and what follows it by dots.
	exportedName = regexp.MustCompile(`(^|[^\w./%$-])([A-Z][A-Z0-9]*[a-z]\w*(?:\.[A-Z]\w*)*)`)
	// metricName matches the name of a metric or an attribute of ours, or of OpenTelemetry's conventions for databases.
	metricName = regexp.MustCompile(`\b(?:poolsql|db\.client)(?:\.[a-z_]+)+\b`)
)

// A vocabulary is what the Go code of the library says.
type vocabulary struct {
	names map[string]bool
	text  string
}

func newVocabulary(t *testing.T) vocabulary {
	t.Helper()
	v := vocabulary{names: make(map[string]bool)}
	var text strings.Builder
	for _, name := range files(t, ".go") {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source := readFile(t, name)
		text.WriteString(source)
		var s scanner.Scanner
		s.Init(token.NewFileSet().AddFile(name, -1, len(source)), []byte(source), nil, 0)
		for _, kind, literal := s.Scan(); kind != token.EOF; _, kind, literal = s.Scan() {
			if kind == token.IDENT {
				v.names[literal] = true
			}
		}
	}
	v.text = text.String()
	return v
}

// unknown returns the names in backquotes that are neither in the code nor of those that are known to be others'.
func (v vocabulary) unknown(document string) []string {
	var found []string
	fenced := false
	for line := range strings.Lines(document) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
		}
		if fenced {
			continue
		}
		for _, quoted := range inline.FindAllStringSubmatch(line, -1) {
			if words := split(quoted[1]); len(words) > 1 && slices.Contains(commandWords, words[0]) {
				continue // another test looks at commands
			}
			for _, at := range exportedName.FindAllStringSubmatchIndex(quoted[1], -1) {
				if after := quoted[1][at[1]:]; strings.HasPrefix(after, "-") || strings.HasPrefix(after, "…") {
					continue // a header of HTTP, or the beginning of several names
				}
				for name := range strings.SplitSeq(quoted[1][at[4]:at[5]], ".") {
					isTest := testName.MatchString("`" + name + "`")
					if !v.names[name] && !isTest && !slices.Contains(foreign, name) {
						found = append(found, name)
					}
				}
			}
			for _, name := range metricName.FindAllString(quoted[1], -1) {
				if !strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, ".json") && !strings.Contains(v.text, `"`+name) {
					found = append(found, name)
				}
			}
		}
	}
	return found
}

func TestEveryNameInBackquotesIsInTheCode(t *testing.T) {
	v := newVocabulary(t)
	for _, name := range documents(t) {
		for _, unknown := range v.unknown(readFile(t, name)) {
			t.Errorf("%s names %s, which the code does not", name, unknown)
		}
	}
}

// TestTheVocabularyCheckSeesWhatIsMissing proves that the test above can fail.
func TestTheVocabularyCheckSeesWhatIsMissing(t *testing.T) {
	v := vocabulary{map[string]bool{"Config": true, "MaxConns": true}, `"poolsql.limit"`}
	document := "`Config.MaxConns`, `Config{MaxCons: 1}`, `Retry-After`, `With…`, `SELECT`, `SetConnMaxLifetime(d)`, `a.go`, `TestA`, `poolsql.limit`, `poolsql.limits`\n" +
		"```go\nNothing\n```\nNothing, `go run ./Nothing`"
	if got := strings.Join(v.unknown(document), " "); got != "MaxCons poolsql.limits" {
		t.Errorf("got %q", got)
	}
}
