package presets_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/poolsql/poolsql/presets"
)

// Each variable holds a secret, in values of several forms, by itself and all together.
func TestNoErrorHoldsAValue(t *testing.T) {
	values := []string{
		textSecret, numberSecret, "postgres://u:" + textSecret + "@h/d?sslmode=x", "postgres://u:p@h/d?" + textSecret, "host='" + textSecret,
		"postgres://h:" + textSecret + "/d", "postgres://h/d?sslmode=" + textSecret, "sslrootcert=" + textSecret, "-" + numberSecret,
		"postgres://h/d?target_session_attrs=" + textSecret, "channel_binding=" + textSecret, "service=" + textSecret,
		"1 " + textSecret, textSecret + "\n" + textSecret, "`'\"" + textSecret, "postgres://h/d?sslcert=" + textSecret,
		"postgres://" + textSecret + "%", "min_protocol_version=" + textSecret, "postgres://h:1,2/" + textSecret,
	}
	environment(t, nil)
	failed := 0
	for _, value := range values {
		everywhere := map[string]string{}
		for _, name := range allVariables() {
			everywhere[name] = value
			for _, vars := range []map[string]string{{name: value}, {name: value, "DATABASE_URL": value}, {name: value, "PGPORT": "x"}} {
				if !tellsNothing(t, vars) {
					failed++
				}
			}
		}
		if tellsNothing(t, everywhere) {
			t.Errorf("%q in each variable is no error", value)
		}
	}
	if failed < len(values)*20 {
		t.Errorf("only %d of the trials led to an error: they prove little", failed)
	}
}

const (
	textSecret   = "hunter2Zq9"
	numberSecret = "48213"
)

// tellsNothing reports whether vars are right, and fails the test if what is said of them holds a secret. The
// environment says nothing else.
func tellsNothing(t testing.TB, vars map[string]string) (ok bool) {
	t.Helper()
	for name, value := range vars {
		if err := os.Setenv(name, value); err != nil {
			t.Fatal(err)
		}
		defer os.Unsetenv(name)
	}
	base := presets.Production()
	base.HighReserve = 2
	_, err := presets.FromEnvironment(base, func(s *presets.Settings) { s.Config.MaxWaiting = -1 })
	texts := []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)}
	for _, wrong := range variableErrors(err) {
		texts = append(texts, fmt.Sprintf("%#v", *wrong))
	}
	for _, text := range texts {
		if strings.Contains(text, textSecret) || strings.Contains(text, numberSecret) {
			t.Errorf("%v: the error holds a value: %s", slices.Sorted(maps.Keys(vars)), text)
		}
	}
	return len(variableErrors(err)) == 0
}

// FuzzEnvironment looks for values on which reading the environment panics or tells them, and for names and passwords
// that do not arrive at pgx as they were set.
func FuzzEnvironment(f *testing.F) {
	environment(f, nil)
	names := allVariables()
	bit := func(name string) uint64 { return 1 << slices.Index(names, name) }
	f.Add(bit("DATABASE_URL"), "postgres://app:", "@localhost/shop", false)
	f.Add(bit("DATABASE_URL")|bit("DATABASE_PASSWORD"), "host='", "' port=5432", false)
	f.Add(bit("DATABASE_PASSWORD")|bit("DATABASE_USER")|bit("DATABASE_NAME"), " \\'", "'+&=%", false)
	f.Add(bit("DATABASE_PORT")|bit("POOL_MAX_CONNECTIONS")|bit("POOL_MIN_CONNECTIONS"), "", "", true)
	f.Add(bit("PGPORT")|bit("PGSERVICE")|bit("PGSSLROOTCERT"), "1,", "", true)
	f.Add(^uint64(0), "", "", false)
	f.Fuzz(func(t *testing.T, which uint64, before, after string, number bool) {
		secret := textSecret
		if number {
			secret = numberSecret
		}
		value := before + secret + after
		if strings.Contains(value, "\x00") {
			t.Skip("no environment holds this")
		}
		if strings.Contains(strings.ToLower(value), "pool_") {
			t.Skip("it may be the name of a parameter that there is not, which is told")
		}
		vars := make(map[string]string)
		for i, name := range names {
			if which&(1<<i) != 0 {
				vars[name] = value
			}
		}
		if tellsNothing(t, vars) {
			arrives(t, vars, value)
		}
	})
}

// arrives fails the test if a name or a password of vars, which are right, is another for pgx.
func arrives(t *testing.T, vars map[string]string, value string) {
	for name, value := range vars {
		if err := os.Setenv(name, value); err != nil {
			t.Fatal(err)
		}
		defer os.Unsetenv(name)
	}
	s, err := presets.FromEnvironment(presets.Production())
	if err != nil {
		t.Fatalf("what was right is wrong now: %v", err)
	}
	cc := mustParse(t, s.Config.DSN)
	for name, got := range map[string]string{
		"DATABASE_USER": cc.User, "DATABASE_PASSWORD": cc.Password, "DATABASE_NAME": cc.Database,
		"APP_NAME": cc.RuntimeParams["application_name"],
	} {
		if _, ok := vars[name]; ok && got != value {
			t.Errorf("%s %q arrives as %q", name, value, got)
		}
	}
}
