package sqltext_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/poolsql/poolsql/internal/sqltext"
)

func TestStripTakesOutLiteralsAndKeepsTheRest(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"select 1", "select ?"},
		{"select $1, $23", "select $1, $23"},
		{"select * from t where name = 'it''s secret' and id=42", "select * from t where name = ? and id=?"},
		{"select E'a\\'b secret', e'x'", "select ?, ?"},
		{"select B'101', x'ff', U&'secret', N'secret'", "select ?, ?, ?, ?"},
		{`select "Column 1", "a""b" from "t"`, `select "Column 1", "a""b" from "t"`},
		{"select $$secret$$, $tag$ secret $$ still $tag$, 2", "select ?, ?, ?"},
		{"select 1.5, .5, 1e10, 1.5e-3, 0xff, 1_000", "select ?, ?, ?, ?, ?, ?"},
		{"select t1.c2 from t1", "select t1.c2 from t1"},
		{"select -- secret\n 1 /* secret /* nested */ more */ + 2", "select ? + ?"},
		{"  select\n\t1  ;  ", "select ? ;"},
		{"select 'unfinished secret", "select ?"},
		{"select $tag$ unfinished secret", "select ?"},
		{"select a::int, b->>'secret' from t", "select a::int, b->>? from t"},
		{"ping", "ping"},
		{"", ""},
		{"select 'ü' as ü", "select ? as ü"},
	} {
		if got := sqltext.Strip(c.in); got != c.want {
			t.Errorf("Strip(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestStripCutsLongText(t *testing.T) {
	got := sqltext.Strip("select " + strings.Repeat("a, ", 5000))
	if len(got) > sqltext.MaxLength+10 || !strings.HasSuffix(got, "…") {
		t.Errorf("got %d bytes ending in %q", len(got), got[len(got)-5:])
	}
}

// What stands between plain quotes, wherever it is put, must not come out.
func FuzzStripNeverShowsAQuotedString(f *testing.F) {
	f.Add("select ", " from t")
	f.Add("/* ' */ select ", "-- '")
	f.Add("$$ x $$", "'a'")
	f.Fuzz(func(t *testing.T, before, after string) {
		const secret = "s3cr3tv4lu3"
		if strings.Contains(before+after, secret) {
			t.Skip()
		}
		if strings.ContainsAny(before, "'\"$/-\\") { // may leave something open that the quote would close
			before = ""
		}
		out := sqltext.Strip(before + " '" + secret + "' " + after)
		if strings.Contains(out, secret) {
			t.Errorf("Strip shows the secret: %q", out)
		}
		if !utf8.ValidString(out) && utf8.ValidString(before+after) {
			t.Errorf("Strip made invalid UTF-8 of valid text: %q", out)
		}
	})
}
