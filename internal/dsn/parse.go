package dsn

import (
	"errors"
	"fmt"
	"strings"
)

// Parse takes text apart. It accepts what pgx accepts before it looks at what the values mean.
func Parse(text string) (*DSN, error) {
	if strings.IndexByte(text, 0) >= 0 {
		return nil, errors.New("there is a zero byte in it")
	}
	for _, scheme := range []string{"postgresql://", "postgres://"} {
		if rest, ok := strings.CutPrefix(text, scheme); ok {
			d := &DSN{text: text, url: true, server: server{scheme: scheme}}
			return d, d.parseURL(rest)
		}
	}
	d := &DSN{text: text}
	return d, d.parseKeywords(text)
}

// parseURL takes apart what is behind the scheme.
func (d *DSN) parseURL(rest string) error {
	s := &d.server
	// Only a slash ends the search: a question mark may be part of the password.
	if i := strings.IndexAny(rest, "@/"); i >= 0 && rest[i] == '@' {
		var hasPassword bool
		s.login = '@'
		if s.user, s.password, hasPassword = strings.Cut(rest[:i], ":"); hasPassword {
			s.login = ':'
		}
		rest = rest[i+1:]
	}
	end, err := hostsEnd(rest)
	if err != nil {
		return err
	}
	s.hosts, rest = rest[:end], rest[end:]
	if strings.HasPrefix(rest, "/") {
		end := strings.IndexByte(rest, '?')
		if end < 0 {
			end = len(rest)
		}
		s.path, rest = rest[:end], rest[end:]
	}
	if err := s.check(); err != nil {
		return err
	}
	return d.parseQuery(strings.TrimPrefix(rest, "?"))
}

// hostsEnd returns where the list of hosts and ports that text begins with ends.
func hostsEnd(text string) (int, error) {
	i := 0
	for {
		if i < len(text) && text[i] == '[' {
			end := strings.IndexByte(text[i:], ']')
			if end < 0 {
				return 0, errors.New("a host begins with [ and has no ]")
			}
			if end == 1 {
				return 0, errors.New("there is nothing between the [ and ] of a host")
			}
			i += end + 1
			if i < len(text) && !strings.ContainsRune(":/?,", rune(text[i])) {
				return 0, errors.New("something else than a port follows the ] of a host")
			}
		} else {
			i = until(text, i, ":/?,")
		}
		if i < len(text) && text[i] == ':' {
			i = until(text, i+1, "/?,")
		}
		if i == len(text) || text[i] != ',' {
			return i, nil
		}
		i++
	}
}

// until returns where the first of chars is in text, from a place on, or its end.
func until(text string, from int, chars string) int {
	if n := strings.IndexAny(text[from:], chars); n >= 0 {
		return from + n
	}
	return len(text)
}

// check tries to decode every part.
func (s *server) check() error {
	hosts, ports := s.lists()
	for _, part := range []struct{ name, raw string }{
		{"the user", s.user}, {"the password", s.password}, {"the host", hosts}, {"the port", ports},
		{"the database", strings.TrimPrefix(s.path, "/")},
	} {
		if _, err := decode(part.raw); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// params returns what is said before the query. check has found nothing wrong with it.
func (s *server) params() []Param {
	var params []Param
	add := func(key, raw string) {
		if raw != "" {
			value, _ := decode(raw)
			params = append(params, Param{key, value})
		}
	}
	hosts, ports := s.lists()
	add("user", s.user)
	add("password", s.password)
	add("host", hosts)
	add("port", ports)
	add("dbname", strings.TrimPrefix(s.path, "/"))
	return params
}

// lists returns the hosts and the ports, each separated by commas. There are as many of the ones as of the others.
func (s *server) lists() (hosts, ports string) {
	var h, p strings.Builder
	for text := s.hosts; text != ""; {
		end, skip := until(text, 0, ":/?,"), 0
		if text[0] == '[' {
			end = strings.IndexByte(text, ']')
			text, end, skip = text[1:], end-1, 1
		}
		h.WriteString(text[:end])
		text = text[end+skip:]
		if strings.HasPrefix(text, ":") {
			end := until(text, 1, "/?,")
			p.WriteString(text[1:end])
			text = text[end:]
		}
		if text != "" { // a comma
			h.WriteByte(',')
			p.WriteByte(',')
			text = text[1:]
		}
	}
	return h.String(), p.String()
}

// parseQuery takes apart what is behind the question mark.
func (d *DSN) parseQuery(text string) error {
	for n := 1; text != ""; n++ {
		var pair string
		pair, text, _ = strings.Cut(text, "&")
		rawKey, rawValue, found := strings.Cut(pair, "=")
		if !found {
			return fmt.Errorf("parameter %d of its query has no =", n)
		}
		if strings.Contains(rawValue, "=") {
			return fmt.Errorf("parameter %d of its query has a second =, which wants to be %%3D", n)
		}
		key, err := decode(rawKey)
		if err != nil {
			return fmt.Errorf("the name of parameter %d of its query: %w", n, err)
		}
		value, err := decode(rawValue)
		if err != nil {
			return fmt.Errorf("parameter %d of its query: %w", n, err)
		}
		d.params = append(d.params, param{Param: Param{canonical(key), value}, raw: pair})
	}
	return nil
}

// decode replaces what is percent-encoded. Spaces around it are left out.
func decode(raw string) (string, error) {
	raw = strings.Trim(raw, " ")
	if strings.Contains(raw, " ") {
		return "", errors.New("there is a space in it, which wants to be %20")
	}
	var b strings.Builder
	for i := 0; i < len(raw); i++ {
		if raw[i] != '%' {
			b.WriteByte(raw[i])
			continue
		}
		if i+2 >= len(raw) || digit(raw[i+1]) < 0 || digit(raw[i+2]) < 0 {
			return "", errors.New("there is a % in it without two hexadecimal digits; as itself it wants to be %25")
		}
		c := digit(raw[i+1])<<4 | digit(raw[i+2])
		if c == 0 {
			return "", errors.New("there is %00 in it")
		}
		b.WriteByte(byte(c))
		i += 2
	}
	return b.String(), nil
}

// digit returns the value of a hexadecimal digit, -1 if c is none.
func digit(c byte) int {
	if c >= 'A' && c <= 'F' {
		c += 'a' - 'A'
	}
	return strings.IndexByte("0123456789abcdef", c)
}

// canonical returns one spelling of each key.
func canonical(key string) string {
	if key == "database" {
		return "dbname"
	}
	return key
}
