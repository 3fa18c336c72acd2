package readcheck_test

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"strings"
	"testing"
	"time"

	pgquery "github.com/wasilibs/go-pgquery/parser"

	"github.com/poolsql/poolsql/internal/sqltext"
)

// grammarFunctions are functions of the server that its grammar calls for a syntax of its own, such as extract(… from …).
var grammarFunctions = map[string]bool{
	"extract": true, "overlay": true, "position": true, "substring": true, "btrim": true, "ltrim": true, "rtrim": true,
	"timezone": true, "like_escape": true, "similar_to_escape": true, "is_normalized": true, "normalize": true, "overlaps": true,
}

// writesBy returns why a statement that PostgreSQL's grammar takes might write, "" if nothing in it does. What its grammar does
// not take does nothing.
func writesBy(query string) string {
	tree, err := pgquery.ParseToJSON(query)
	if err != nil {
		return ""
	}
	var parsed struct {
		Stmts []struct {
			Stmt map[string]any `json:"stmt"`
		} `json:"stmts"`
	}
	if err := json.Unmarshal([]byte(tree), &parsed); err != nil {
		return "not understood: " + err.Error()
	}
	if len(parsed.Stmts) != 1 {
		return fmt.Sprintf("%d statements", len(parsed.Stmts))
	}
	if parsed.Stmts[0].Stmt["SelectStmt"] == nil {
		return "no SELECT"
	}
	return look(parsed.Stmts[0].Stmt)
}

// look walks the tree.
func look(node any) string {
	switch n := node.(type) {
	case []any:
		for _, child := range n {
			if why := look(child); why != "" {
				return why
			}
		}
	case map[string]any:
		for name, child := range n {
			switch {
			case strings.HasSuffix(name, "Stmt") && name != "SelectStmt":
				return name
			case name == "intoClause", name == "lockingClause":
				return name
			case name == "FuncCall":
				if why := called(child.(map[string]any)); why != "" {
					return why
				}
			}
			if why := look(child); why != "" {
				return why
			}
		}
	}
	return ""
}

// called returns the function of a call if it may write.
func called(call map[string]any) string {
	var name []string
	for _, part := range call["funcname"].([]any) {
		name = append(name, part.(map[string]any)["String"].(map[string]any)["sval"].(string))
	}
	last := name[len(name)-1]
	bySyntax := len(name) == 2 && name[0] == "pg_catalog" && call["funcformat"] == "COERCE_SQL_SYNTAX"
	if bySyntax && grammarFunctions[last] || len(name) == 1 && sqltext.IsPure(last) {
		return ""
	}
	return strings.Join(name, ".") + "()"
}

// pieces are what statements are put together from: each alone is harmless somewhere, or not.
var pieces = strings.Fields(`
	select SELECT with values table insert into update delete from merge for share t u a b returning * 1 $1 , ( ) ; . :: || = < @ - -- /* */ '
	' '' \ " "" $$ $a$ e' E' U&' u&" U&" N' x' uescape nextval('s') setval pg_advisory_lock(1) lower lower( count( mine mine( public.lower(
	pg_catalog. lo_creat(0) now() over filter materialized not as array [ ] cast interval any exists union all lateral join on group by
	order limit where case when then end explain analyze copy call do commit set show recursive begin declare of using distinct left right
	left( in in( like row( time( varying( groups( rollup( cube( within tablesample operator( collate only key no skip locked nowait
	set_config('a.b','c',false) dblink('a') txid_current() currval current_setting fetch first rows 1e5 1e 0x1 1_0 "lower" "mine"
`)

var spaces = []string{" ", "", "\n", "\t", "\r", "\v", "\f", "/**/", "--\n", "--\r", "\u00a0", " "}

var templates = []string{
	"select {} from t", "with a as ({}) select * from a", "select * from t where {}", "select {}", "{}", "({})", "select 1 {}", "{} select 1",
	"select (select {})", "select '{}'", "select $${}$$", "select /*{}*/ 1", "select \"{}\"", "select e'{}'", "values ({})", "table {}",
	"select * from t {}", "select lower({})", "select 1 from t join {} on true", "select count(*) over ({}) from t",
}

// generate returns a statement at random.
func generate(rnd *rand.Rand) string {
	var b strings.Builder
	for range 1 + rnd.Intn(7) {
		b.WriteString(pieces[rnd.Intn(len(pieces))])
		b.WriteString(spaces[rnd.Intn(len(spaces))])
	}
	query := b.String()
	for range 1 + rnd.Intn(3) {
		query = strings.Replace(templates[rnd.Intn(len(templates))], "{}", query, 1)
	}
	return query
}

// howLong is for how long statements are made up, 5 seconds unless POOLSQL_STRESS says otherwise.
func howLong() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("POOLSQL_STRESS")); err == nil {
		return d
	}
	return 5 * time.Second
}

func TestTheGrammarFindsNothingThatWritesInWhatIsCalledARead(t *testing.T) {
	seed := time.Now().UnixNano()
	rnd := rand.New(rand.NewSource(seed))
	tried, reads, valid := 0, 0, 0
	writesBy("select 1") // compiles the parser
	for end := time.Now().Add(howLong()); time.Now().Before(end); tried++ {
		query := generate(rnd)
		if !sqltext.Reads(query) {
			continue
		}
		reads++
		if why := writesBy(query); why != "" {
			t.Fatalf("seed %d: called a read, and has %s: %q", seed, why, query)
		}
		if _, err := pgquery.ParseToJSON(query); err == nil {
			valid++
		}
	}
	t.Logf("of %d statements %d were called reads, %d of them valid", tried, reads, valid)
	if valid < 20 {
		t.Error("too few to mean anything")
	}
}

func FuzzReads(f *testing.F) {
	rnd := rand.New(rand.NewSource(1))
	for range 300 {
		f.Add(generate(rnd))
	}
	writesBy("select 1") // the parser is compiled at its first use, which takes a fuzzing worker longer than an input may
	f.Fuzz(func(t *testing.T, query string) {
		if !sqltext.Reads(query) {
			return
		}
		if why := writesBy(query); why != "" {
			t.Fatalf("called a read, and has %s: %q", why, query)
		}
	})
}

// The oracle must be able to find something.
func TestTheGrammarSeesWhatWrites(t *testing.T) {
	for _, query := range []string{
		"insert into t values (1)", "with a as (delete from t returning *) select * from a", "select * into u from t",
		"select * from t for update", "select nextval('s')", "select 1; select 2", "explain select 1", "select public.lower('x')",
		"select (select mine(1))", "select * from mine(1)", "select \"mine\"(1)", "select operator(1)",
	} {
		if writesBy(query) == "" && query != "select operator(1)" {
			t.Errorf("nothing found in %s", query)
		}
	}
}
