package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/poolsql/poolsql/examples/internal/program"
)

func TestFlagsThatMakeNoSenseAreRefusedWithAReason(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.sql")
	if err := os.WriteFile(empty, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const dsn = "-dsn=postgres://nobody@localhost/nothing"
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"more"}, "no arguments"},
		{[]string{"-load", "tpch"}, "-load is"},
		{[]string{dsn, "-query", "select 1", "-load", "select"}, "-query and -load are given"},
		{[]string{dsn, "-query", "select 1", "-file", "x.sql"}, "-query and -file are given"},
		{[]string{dsn, "-file", empty}, "is empty"},
		{[]string{dsn, "-query", "-- nothing"}, "only a comment"},
		{[]string{dsn, "-file", empty + ".not"}, "no such file"},
		{[]string{"-query", "select 1"}, "-dsn"},
		{[]string{"-args", "int:1-2"}, "-args is for"},
		{[]string{"-write"}, "-write is for"},
		{[]string{dsn, "-query", "select $1", "-args", "int:2-1"}, "ends above its begin"},
		{[]string{dsn, "-query", "select $1", "-args", "int:a-b"}, "no range"},
		{[]string{dsn, "-query", "select $1", "-args", "float:1-2"}, "neither int"},
		{[]string{dsn, "-write", "-query", "/* x */ DROP table t"}, "DROP is no load"},
		{[]string{dsn, "-write", "-query", "delete from t"}, "DELETE without WHERE"},
		{[]string{dsn, "-write", "-query", "update t set a = 1 -- where"}, "UPDATE without WHERE"},
		{[]string{"-sizes", "1,2"}, "3 sizes"},
		{[]string{"-sizes", "1,2,many"}, "no number"},
		{[]string{"-sizes", "1,2,4", "-max", "8"}, "-sizes and -max"},
		{[]string{"-sizes", "1,2,4", "-callers", "4"}, "more than the largest"},
		{[]string{"-max", "2"}, "at least 3"},
		{[]string{"-passes", "1"}, "noise"},
		{[]string{"-duration", "0s"}, "-duration"},
		{[]string{"-warmup", "-1s"}, "-warmup"},
		{[]string{"-within", "0"}, "-within"},
		{[]string{"-within", "NaN"}, "-within"},
		{[]string{"-p99", "-1s"}, "-p99"},
		{[]string{"-instances", "0"}, "-instances"},
		{[]string{"-others", "-2"}, "-others"},
		{[]string{"-cores", "-1"}, "-cores"},
	} {
		var stderr strings.Builder
		if status := run(t.Context(), c.args, io.Discard, &stderr); status != program.Usage || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%q: status %d, %q; want %d and %q", c.args, status, &stderr, program.Usage, c.want)
		}
	}
}

func TestHelpSaysHowOftenAStatementRuns(t *testing.T) {
	var stderr strings.Builder
	if status := run(t.Context(), []string{"-help"}, io.Discard, &stderr); status != program.OK {
		t.Errorf("status %d", status)
	}
	if !strings.Contains(stderr.String(), "MANY THOUSANDS OF TIMES") {
		t.Errorf("the help lacks it:\n%s", &stderr)
	}
}

func TestTheLadderEndsAtTheTopThatWasAskedFor(t *testing.T) {
	for most, want := range map[int][]int{
		3: {1, 2, 3}, 5: {1, 2, 3, 4, 5}, 8: {1, 2, 3, 4, 6, 8}, 9: {1, 2, 3, 4, 6, 9}, 20: {1, 2, 3, 4, 6, 8, 12, 16, 20},
		64: {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64}, 91: {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 91},
	} {
		if got := ladder(most); !slices.Equal(got, want) {
			t.Errorf("up to %d: %v, want %v", most, got, want)
		}
	}
}

func TestTheLadderIsCutWhereTheServerHasNoRoom(t *testing.T) {
	s := settings{most: 64}
	sizes, cut, err := s.rungs(10)
	if err != nil || !cut || sizes[len(sizes)-1] != 10 {
		t.Errorf("%v, cut %t, %v", sizes, cut, err)
	}
	if sizes, cut, err = s.rungs(64); err != nil || cut || sizes[len(sizes)-1] != 64 {
		t.Errorf("%v, cut %t, %v", sizes, cut, err)
	}
	if _, _, err := s.rungs(-4); err == nil {
		t.Error("a server without room was taken")
	}
	s.sizes = []int{1, 2, 4, 8}
	if sizes, cut, err = s.rungs(5); err != nil || !cut || !slices.Equal(sizes, []int{1, 2, 4}) {
		t.Errorf("%v, cut %t, %v", sizes, cut, err)
	}
}

func TestValuesAreDrawnFromWhatWasNamed(t *testing.T) {
	v, err := parseValues("int:-2-3, pick:a|b,int:7-7")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[any]bool)
	for range 1000 {
		drawn := v.draw()
		if len(drawn) != 3 || drawn[2] != int64(7) {
			t.Fatalf("%v", drawn)
		}
		if n := drawn[0].(int64); n < -2 || n > 3 {
			t.Fatalf("%d is not from -2 to 3", n)
		}
		seen[drawn[0]], seen[drawn[1]] = true, true
	}
	if len(seen) != 6+2 {
		t.Errorf("drawn were %v", seen)
	}
}
