package pooldriver

import "strings"

// readsOnly reports whether query is one statement that reads, as far as can be seen: nothing in it writes, locks rows, or
// calls a function of PostgreSQL's own that leaves something behind. What other functions do is not seen. What is not
// understood is taken for more than a read.
func readsOnly(query string) bool {
	s := scanner{rest: query}
	first := true
	before := "" // the word before, "." if this one is part of a name
	for {
		token, ok := s.next()
		switch {
		case !ok:
			return false
		case token == "":
			return !first && !s.several
		case token == ".":
			before = "."
			continue
		case before == ".":
			if writes[token] != function { // pg_catalog.nextval
				before = token
				continue
			}
		}
		switch {
		case first && !reads[token]:
			return false
		case writes[token] != 0, strings.HasPrefix(token, "pg_advisory_"), strings.HasPrefix(token, "pg_try_advisory_"):
			return false
		case before == "for" && locks[token]:
			return false
		}
		first, before = false, token
	}
}

// kindOfWord says why a word means more than a read.
type kindOfWord uint8

const (
	keyword  kindOfWord = iota + 1
	function            // also behind a schema
)

var (
	reads  = map[string]bool{"select": true, "with": true, "values": true, "table": true, "show": true}
	locks  = map[string]bool{"update": true, "share": true, "no": true, "key": true}
	writes = map[string]kindOfWord{
		"insert": keyword, "update": keyword, "delete": keyword, "merge": keyword, "into": keyword,
		"nextval": function, "setval": function, "currval": function, "lastval": function, "set_config": function,
		"pg_notify": function, "pg_cancel_backend": function, "pg_terminate_backend": function, "pg_reload_conf": function,
		"lo_create": function, "lo_creat": function, "lo_unlink": function, "lo_import": function, "lo_export": function,
		"lo_put": function, "lowrite": function, "dblink_exec": function, "query_to_xml": function,
	}
)

// A scanner takes words out of SQL text.
type scanner struct {
	rest    string
	ended   bool // a semicolon has been seen
	several bool // and something behind it
}

// next returns the next word in lower case, "." for a dot, "" at the end. It passes over strings, numbers and signs. It
// returns false where the text ends inside of something.
func (s *scanner) next() (token string, ok bool) {
	for s.rest != "" {
		c := s.rest[0]
		switch {
		case c == ' ' || c >= '\t' && c <= '\r':
			s.rest = s.rest[1:]
			continue
		case strings.HasPrefix(s.rest, "--"):
			_, s.rest, _ = strings.Cut(s.rest, "\n")
			continue
		case strings.HasPrefix(s.rest, "/*"):
			if after := afterComment(s.rest + " "); after != "" { // the space tells whether the comment ends
				s.rest = after[:len(after)-1]
				continue
			}
			return "", false
		case c == ';':
			s.ended = true
			s.rest = s.rest[1:]
			continue
		}
		s.several = s.several || s.ended
		switch {
		case c == '\'':
			ok = s.quoted('\'', false)
		case c == '"':
			ok = s.quoted('"', false)
		case c == '$':
			ok = s.dollar()
		case c == '.':
			s.rest = s.rest[1:]
			return ".", true
		case isWord(c):
			var word string
			word, ok = s.word()
			if word != "" {
				return word, ok
			}
		default:
			s.rest, ok = s.rest[1:], true
		}
		if !ok {
			return "", false
		}
	}
	return "", true
}

// quoted passes over a text in quotes.
func (s *scanner) quoted(quote byte, escapes bool) bool {
	for i := 1; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '\\' && escapes:
			i++
		case c == quote && i+1 < len(s.rest) && s.rest[i+1] == quote:
			i++
		case c == quote:
			s.rest = s.rest[i+1:]
			return true
		}
	}
	return false
}

// dollar passes over a parameter, or a text between dollars.
func (s *scanner) dollar() bool {
	end := 1
	for end < len(s.rest) && isWord(s.rest[end]) {
		end++
	}
	if end == len(s.rest) || s.rest[end] != '$' || end > 1 && s.rest[1] >= '0' && s.rest[1] <= '9' {
		s.rest = s.rest[end:]
		return true
	}
	tag := s.rest[:end+1]
	_, after, found := strings.Cut(s.rest[end+1:], tag)
	s.rest = after
	return found
}

// word returns a word, "" if it was a number, or E before a text in quotes.
func (s *scanner) word() (word string, ok bool) {
	end := 0
	for end < len(s.rest) && (isWord(s.rest[end]) || s.rest[end] == '$') {
		end++
	}
	word = s.rest[:end]
	s.rest = s.rest[end:]
	if is(word, "e") && strings.HasPrefix(s.rest, "'") {
		return "", s.quoted('\'', true)
	}
	if word[0] >= '0' && word[0] <= '9' {
		return "", true
	}
	return strings.ToLower(word), true
}
