package dsn

import (
	"net/url"
	"strings"
)

// A Param is a keyword of a connection string and its value, decoded. The database is "dbname", in either spelling.
type Param struct{ Key, Value string }

// A DSN is a connection string taken apart: a URL, or keywords and values.
type DSN struct {
	text   string
	url    bool
	server server // of a URL
	params []param
}

// server is what a URL says before its query, as it is written.
type server struct {
	scheme   string // with ://
	user     string
	password string
	login    byte // 0 if there is no @, '@' if there is, ':' if a password is before it
	hosts    string
	path     string // with its slash; "" if there is none
}

// param is a parameter of a URL's query, or a keyword and its value.
type param struct {
	Param
	raw string // as it is written
	// open says that more text behind it would be part of the value: it is nothing, or ends with a lone backslash.
	open bool
}

// Params returns what the connection string says, in its order. Of several with one key the last counts.
func (d *DSN) Params() []Param {
	var params []Param
	if d.url {
		params = d.server.params()
	}
	for _, p := range d.params {
		if d.url || p.Key != "user" || p.Value != "" { // user='' leaves the user to the environment, as pgx has it
			params = append(params, p.Param)
		}
	}
	return params
}

// Without returns the connection string without the parameters whose key drop wants dropped. All else stays as it is
// written. Host, port, user and database in front of a URL's query stay whatever drop says; the password there does not.
func (d *DSN) Without(drop func(key string) bool) string {
	var kept []string
	dropped := false
	for _, p := range d.params {
		if drop(p.Key) {
			dropped = true
		} else {
			kept = append(kept, p.raw)
		}
	}
	s := d.server
	if s.login == ':' && drop("password") {
		s.login, s.password = '@', ""
		dropped = true
	}
	switch {
	case !dropped:
		return d.text
	case !d.url:
		return strings.Join(kept, " ")
	case len(kept) == 0:
		return s.text()
	}
	return s.text() + "?" + strings.Join(kept, "&")
}

// Amend returns the connection string with params in the place of what it says itself.
func (d *DSN) Amend(params ...Param) string {
	if len(params) == 0 {
		return d.text
	}
	if !d.url {
		return strings.TrimLeft(d.closed()+" "+Keywords(params...), " ")
	}
	text := d.text
	switch query := text[len(d.server.text()):]; {
	case query == "":
		text += "?"
	case query != "?" && !strings.HasSuffix(query, "&"):
		text += "&"
	}
	words := make([]string, len(params))
	for i, p := range params {
		// In these URLs, as libpq reads them, a plus sign is one and no space.
		words[i] = p.Key + "=" + strings.ReplaceAll(url.QueryEscape(p.Value), "+", "%20")
	}
	return text + strings.Join(words, "&")
}

// closed returns keywords and values such that more can be appended.
func (d *DSN) closed() string {
	if len(d.params) == 0 || !d.params[len(d.params)-1].open {
		return d.text
	}
	words := make([]string, len(d.params))
	for i, p := range d.params {
		words[i] = p.raw
	}
	words[len(words)-1] = Keywords(d.params[len(words)-1].Param)
	return strings.Join(words, " ")
}

// Keywords returns params as a connection string of keywords and values.
func Keywords(params ...Param) string {
	words := make([]string, len(params))
	for i, p := range params {
		words[i] = p.Key + "='" + quote.Replace(p.Value) + "'"
	}
	return strings.Join(words, " ")
}

var quote = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

// text returns what is before the query.
func (s *server) text() string {
	login := s.user
	if s.login == ':' {
		login += ":" + s.password
	}
	if s.login != 0 {
		login += "@"
	}
	return s.scheme + login + s.hosts + s.path
}
