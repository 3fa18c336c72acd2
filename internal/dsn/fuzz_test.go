package dsn_test

import (
	"errors"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql/internal/dsn"
)

// FuzzParse looks for text that pgx takes apart in another way, and for text that comes out of the hands of this package
// as something else than it says.
func FuzzParse(f *testing.F) {
	f.Setenv("HOME", f.TempDir()) // no .pgpass, no certificates
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "PG") {
			f.Setenv(name, "")
			if err := os.Unsetenv(name); err != nil {
				f.Fatal(err)
			}
		}
	}
	for _, text := range []string{
		"postgres://app:s3%20cr3t@h1:1,[::1]:2/shop?sslmode=disable&pool_max_conns=3&", "postgresql://:p?w@,h:,/?password=x&ssl=true",
		"host=h port = 5432 user='' password='s\\' 3' dbname=a\\ b pool_name=", "user=\\", " host=h1,h2 port=1,2 database=d",
		"postgres://h:%20/ d ?a=%2b+", "postgres://[::1]", "postgres://[h]:1,[", "postgres://u@:1,:2?port=3,4", "options='-c a=b' x=", "postgres://?=?",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := dsn.Parse(text)
		if ok := pgxTakesItApart(text); ok != (err == nil) {
			t.Fatalf("%q: pgx takes it apart: %v; Parse: %v", text, ok, err)
		}
		if err != nil {
			return
		}
		says := last(d)
		sameAsPgx(t, text, says)

		rest := parse(t, d.Without(isSecretOrPool))
		kept := maps.Clone(says)
		maps.DeleteFunc(kept, func(key, _ string) bool { return isSecretOrPool(key) })
		if got := last(rest); !maps.Equal(got, kept) {
			t.Errorf("%q without secrets is %q, want %q", text, got, kept)
		}
		amended := maps.Clone(says)
		amended["application_name"] = text
		if strings.TrimSpace(text) == text { // pgx takes spaces off the ends of what a URL says
			if got := last(parse(t, d.Amend(dsn.Param{Key: "application_name", Value: text}))); !maps.Equal(got, amended) {
				t.Errorf("%q amended is %q, want %q", text, got, amended)
			}
		}
		if shown := d.Show(nil); says["password"] != "" && len(says["password"]) > 8 && !onlySaidThere(says) && strings.Contains(shown, says["password"]) {
			t.Errorf("%q shows as %q", text, shown)
		}
		d.Public(isSecretOrPool)
	})
}

// onlySaidThere reports whether the password is also in something that is no secret.
func onlySaidThere(says map[string]string) bool {
	for key, value := range says {
		if !dsn.Secret(key) && strings.Contains(key+"="+value, says["password"]) {
			return true
		}
	}
	return false
}

// last returns what d says, the last of each key.
func last(d *dsn.DSN) map[string]string {
	says := make(map[string]string)
	for _, p := range d.Params() {
		says[p.Key] = p.Value
	}
	return says
}

// pgxTakesItApart reports whether text is well-formed for pgx, whatever its parts mean.
func pgxTakesItApart(text string) bool {
	// pgx looks at the keys, if it is asked to allow none, when it has taken the text apart and before anything else. The
	// probe sees to it that there is one. That error wraps nothing, the others do.
	if strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://") {
		if _, err := pgconn.ParseConfigWithOptions(text, pgconn.ParseConfigOptions{ConnStringAllowedKeys: []string{}}); err != nil {
			return errors.Unwrap(err) == nil
		}
		return true
	}
	_, err := pgconn.ParseConfigWithOptions("application_name=probe "+text, pgconn.ParseConfigOptions{ConnStringAllowedKeys: []string{}})
	return err == nil || errors.Unwrap(err) == nil
}

// files are keys whose values pgx opens as files, or looks for in some.
var files = []string{"sslrootcert", "sslcert", "sslkey", "service", "servicefile", "passfile"}

// sameAsPgx fails the test if pgx reads something else than says in text.
func sameAsPgx(t *testing.T, text string, says map[string]string) {
	t.Helper()
	if slices.ContainsFunc(files, func(key string) bool { return says[key] != "" }) {
		return
	}
	cfg, err := pgconn.ParseConfig(text)
	if err != nil {
		return
	}
	same := func(key, got string) {
		if want, ok := says[key]; ok && got != want {
			t.Errorf("%q: %s is %q to Parse, and %q to pgx", text, key, want, got)
		}
	}
	same("password", cfg.Password)
	same("dbname", cfg.Database)
	if says["user"] != "" {
		same("user", cfg.User)
	}
	if host := says["host"]; host != "" && !strings.Contains(host, ",") {
		same("host", cfg.Host)
	}
	if _, err := strconv.ParseUint(says["port"], 10, 16); err == nil && cfg.Port != 0 {
		if n, _ := strconv.Atoi(says["port"]); n != int(cfg.Port) {
			t.Errorf("%q: the port is %q to Parse, and %d to pgx", text, says["port"], cfg.Port)
		}
	}
	for key, got := range cfg.RuntimeParams {
		if want, ok := says[key]; !ok || want != got {
			t.Errorf("%q: pgx sets %q to %q; to Parse it is %q, %v", text, key, got, want, ok)
		}
	}
}
