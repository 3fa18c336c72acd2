package presets

import (
	"errors"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// everythingUnsaid is a DSN that leaves all to the PG* variables and pgx's defaults. It is not "", which a Config takes for
// none.
const everythingUnsaid = "postgres://"

// param is a keyword of a DSN and its value.
type param struct{ key, value string }

// amend returns dsn with params in the place of what it says itself. It must be well-formed.
func amend(dsn string, params ...param) string {
	if len(params) == 0 {
		return dsn
	}
	if isURL(dsn) {
		return amendURL(dsn, params)
	}
	return strings.TrimLeft(endLast(dsn)+" "+keywords(params), " ")
}

// endLast returns a DSN of keywords and values such that more can be appended. Its last value may be nothing, or end with
// a backslash, which stands for nothing at the very end; either would go on in what is appended.
func endLast(dsn string) string {
	for rest := dsn; ; {
		_, value, found := strings.Cut(rest, "=")
		if !found {
			return dsn
		}
		value = strings.TrimLeft(value, dsnSpace)
		end := valueEnd(value)
		if end > len(value) {
			dsn, value = dsn[:len(dsn)-1], value[:len(value)-1]
		}
		if value == "" {
			return dsn + "''"
		}
		rest = value[min(end, len(value)):]
	}
}

const dsnSpace = " \t\n\r\v\f"

// valueEnd returns where the value that text begins with ends: behind the end of text if that is a lone backslash.
func valueEnd(text string) int {
	end, quoted := 0, strings.HasPrefix(text, "'")
	if quoted {
		end = 1
	}
	for ; end < len(text); end++ {
		switch c := text[end]; {
		case c == '\\':
			end++
		case quoted && c == '\'':
			return end + 1
		case !quoted && strings.IndexByte(dsnSpace, c) >= 0:
			return end
		}
	}
	return end
}

func isURL(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// amendURL appends params to the query of a URL, where the last word counts, before that of the authority and the path.
func amendURL(dsn string, params []param) string {
	scheme, rest, _ := strings.Cut(dsn, "://")
	authority := 0 // of which a user's password may have a question mark in it
	if i := strings.IndexAny(rest, "@/"); i >= 0 && rest[i] == '@' {
		authority = i
	}
	separator := "?"
	if i := strings.IndexByte(rest[authority:], '?'); i >= 0 {
		separator = "&"
		if last := rest[len(rest)-1]; last == '?' || last == '&' {
			separator = ""
		}
	}
	var b strings.Builder
	b.WriteString(scheme + "://" + rest)
	for _, p := range params {
		// In these URLs, as libpq reads them, a plus sign is one and no space.
		b.WriteString(separator + p.key + "=" + strings.ReplaceAll(url.QueryEscape(p.value), "+", "%20"))
		separator = "&"
	}
	return b.String()
}

// keywords returns params as a DSN of keywords and values.
func keywords(params []param) string {
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	words := make([]string, len(params))
	for i, p := range params {
		words[i] = p.key + "='" + quote.Replace(p.value) + "'"
	}
	return strings.Join(words, " ")
}

// wellFormed reports whether dsn can be taken apart at all, whatever its parts and the PG* variables say. Only then can
// it be amended: after a quote that is left open, an amendment would be in the quotes.
func wellFormed(dsn string) bool {
	// pgx looks at the keys, if it is asked to allow none, when it has taken the DSN apart and before anything else. The
	// probe sees to it that there is one. That error wraps nothing, the others do.
	probe := param{"application_name", "probe"}
	if isURL(dsn) {
		dsn = amendURL(dsn, []param{probe})
	} else {
		dsn = keywords([]param{probe}) + " " + dsn
	}
	_, err := pgconn.ParseConfigWithOptions(dsn, pgconn.ParseConfigOptions{ConnStringAllowedKeys: []string{}})
	return err == nil || errors.Unwrap(err) == nil
}
