package pooldriver

import (
	"slices"
	"strings"
)

const (
	insteadLocal  = "use SET LOCAL in a transaction, ALTER ROLE … SET, or a pool that leads to the server itself"
	insteadDirect = "use a pool that leads to the server itself"
	insteadXact   = "use pg_advisory_xact_lock in a transaction"
)

// leavesBehind returns what of query would stay with a session of the server, "" if nothing can be seen that would, and what
// to do instead. It looks at the first words, since it is asked before every statement.
func (o *Options) leavesBehind(query string, inTx bool) (what, instead string) {
	first, rest := word(query)
	switch {
	case is(first, "select"):
		next, after := word(rest)
		if is(next, "pg_catalog") && strings.HasPrefix(after, ".") {
			next, _ = word(after[1:])
		}
		if len(next) > len("pg_") && is(next[:len("pg_")], "pg_") {
			return advisoryLock(next)
		}
	case is(first, "set"):
		next, after := word(rest)
		if is(next, "session") { // SET SESSION CHARACTERISTICS, SET SESSION AUTHORIZATION, or the same as SET
			rest = after
			next, _ = word(rest)
		}
		if !is(next, "local") && !is(next, "transaction") && !is(next, "constraints") && !o.tracks(rest) {
			return "SET", insteadLocal
		}
	case is(first, "reset"):
		if !o.tracks(rest) {
			return "RESET", insteadLocal
		}
	case is(first, "listen"):
		return "LISTEN", insteadDirect
	case is(first, "load"):
		return "LOAD", "set session_preload_libraries for the role or on the server"
	case is(first, "discard"):
		return "DISCARD", "leave what others have prepared alone"
	case is(first, "deallocate"):
		return "DEALLOCATE", "leave what others have prepared alone"
	case is(first, "prepare"):
		if next, _ := word(rest); !is(next, "transaction") {
			return "PREPARE", "use db.PrepareContext, which prepares by the protocol"
		}
	case is(first, "declare"):
		if withHold(rest) {
			return "DECLARE … WITH HOLD", "declare the cursor without it, and read it in its transaction"
		}
	case is(first, "create"):
		if !inTx && temporary(rest) {
			return "CREATE TEMPORARY", "create it in the transaction that uses it, with ON COMMIT DROP"
		}
	case o.Pooler == PoolerStatement && (is(first, "begin") || is(first, "start")):
		return "BEGIN", insteadDirect
	}
	return "", ""
}

// temporary reports whether what CREATE makes, which is followed by rest, ends with the session.
func temporary(rest string) bool {
	next, rest := word(rest)
	for range 2 { // CREATE LOCAL TEMP, CREATE OR REPLACE TEMP
		if is(next, "local") || is(next, "global") || is(next, "or") || is(next, "replace") {
			next, rest = word(rest)
		}
	}
	return is(next, "temp") || is(next, "temporary")
}

// withHold reports whether the cursor that DECLARE makes, which is followed by rest, outlives its transaction. Its query, which
// follows FOR, may say WITH HOLD as well, in a text.
func withHold(rest string) bool {
	for {
		var next string
		switch next, rest = word(rest); {
		case is(next, "for"), next == "" && rest == "":
			return false
		case is(next, "with"):
			next, _ = word(rest)
			return is(next, "hold")
		case next == "" && rest[0] == '"': // the cursor's name
			_, rest, _ = strings.Cut(rest[1:], `"`)
		case next == "":
			rest = rest[1:]
		}
	}
}

// advisoryLock looks at a function that a SELECT begins with.
func advisoryLock(function string) (what, instead string) {
	function = strings.ToLower(function)
	if strings.HasPrefix(function, "pg_advisory_lock") || strings.HasPrefix(function, "pg_try_advisory_lock") ||
		strings.HasPrefix(function, "pg_advisory_unlock") {
		return function, insteadXact
	}
	return "", ""
}

// tracks reports whether the pooler keeps for each of its connections the setting that text begins with.
func (o *Options) tracks(text string) bool {
	setting, rest := word(text)
	if setting == "" && strings.HasPrefix(rest, `"`) {
		setting, _, _ = strings.Cut(rest[1:], `"`)
	}
	if is(setting, "names") || is(setting, "time") { // SET NAMES, SET TIME ZONE
		return true
	}
	same := func(name string) bool { return is(setting, name) }
	return slices.ContainsFunc(AlwaysTracked, same) || slices.ContainsFunc(o.Tracked, same)
}

// AlwaysTracked are the settings that PgBouncer, of every version, keeps for each of its clients, and takes as start-up
// parameters. Not to be changed.
var AlwaysTracked = []string{"application_name", "client_encoding", "datestyle", "timezone", "standard_conforming_strings"}

// is reports whether word is lower, which is in lower case, in any case.
func is(word, lower string) bool { return len(word) == len(lower) && strings.EqualFold(word, lower) }

// word returns the first word of query after space and comments, and what follows.
func word(query string) (first, rest string) {
	query = skipSpace(query)
	end := 0
	for end < len(query) && isWord(query[end]) {
		end++
	}
	return query[:end], query[end:]
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
}

// skipSpace returns query from its first word on. Semicolons without a statement before them count as space.
func skipSpace(query string) string {
	for query != "" {
		switch {
		case query[0] == ' ' || query[0] >= '\t' && query[0] <= '\r' || query[0] == ';':
			query = query[1:]
		case strings.HasPrefix(query, "--"):
			_, query, _ = strings.Cut(query, "\n")
		case strings.HasPrefix(query, "/*"):
			query = afterComment(query)
		default:
			return query
		}
	}
	return query
}

// afterComment returns what follows the comment that query begins with. Comments may hold comments.
func afterComment(query string) string {
	depth := 0
	for i := 0; i+1 < len(query); i++ {
		switch query[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
			if depth == 0 {
				return query[i+1:]
			}
		}
	}
	return ""
}
