package connector

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/poolsql/poolsql/internal/dsn"
)

// elsewhere are parameters for which there is no field, or none that a DSN can set: those of pgxpool, and a DSN.
var elsewhere = map[string]string{
	"min_idle_conns":    "poolsql keeps a number of connections open, and not of idle ones: want pool_min_conns",
	"ping_timeout":      "poolsql's pings have a limit of their own, of a few seconds at most",
	"dsn":               "a DSN cannot hold another",
	"pgbouncer_console": "a DSN cannot hold another; want Config.PgBouncerConsole",
}

// unknownParam says that no field is named by a parameter of a DSN.
func unknownParam(key string) error {
	name := strings.ToLower(key[len(dsn.PoolPrefix):])
	if why, ok := elsewhere[name]; ok {
		return fmt.Errorf("%s%s: %s", dsn.PoolPrefix, name, why)
	}
	return unknown(key, name, dsn.PoolPrefix, "pool parameter", func(f *field) bool { return f.form != connString })
}

// unknownName says that no field has a name that is in JSON or YAML.
func unknownName(name string) error {
	folded := strings.TrimPrefix(fold(name), fold(dsn.PoolPrefix))
	for _, o := range others {
		if fold(o.name) == folded {
			return fmt.Errorf("%s: only a program can set it, and no text", o.name)
		}
	}
	return unknown(name, name, "", "field", func(*field) bool { return true })
}

// unknown says that there is no such name, and which one is most like it.
func unknown(name, sought, prefix, kind string, ok func(*field) bool) error {
	if !isName(name) {
		// What it is then, nobody knows: a part of a password, perhaps.
		return errors.New("there is a " + kind + " whose name has more in it than letters, digits, _ and -")
	}
	if nearest := nearest(sought, ok); nearest != "" {
		return fmt.Errorf("%s: there is no such %s; did you mean %s?", name, kind, prefix+nearest)
	}
	var all []string
	for i := range fields {
		if ok(&fields[i]) {
			all = append(all, prefix+fields[i].name)
		}
	}
	return fmt.Errorf("%s: there is no such %s; want one of %s", name, kind, strings.Join(all, ", "))
}

// maxName is longer than any name here, and than most mistakes in one.
const maxName = 60

// isName reports whether text can be shown as a name.
func isName(text string) bool {
	return text != "" && len(text) <= maxName && strings.Trim(strings.ToLower(text), "abcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

// fold takes away what people write differently: maxConns, max-conns and pool_max_conns are alike.
func fold(name string) string {
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(name))
}

// nearest returns the name of the field that is most like name, "" if none is half like it.
func nearest(name string, ok func(*field) bool) string {
	name = strings.TrimPrefix(fold(name), fold(dsn.PoolPrefix))
	found, least := "", len(name)/2+1
	for i := range fields {
		if f := &fields[i]; ok(f) {
			if d := distance(name, fold(f.name)); d < least {
				found, least = f.name, d
			}
		}
	}
	return found
}

// distance returns how many letters must be added, removed or replaced to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = slices.Min([]int{replaced, row[j] + 1, row[j+1] + 1})
		}
	}
	return row[len(b)]
}
