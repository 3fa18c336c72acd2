package dsn

import (
	"fmt"
	"strings"
)

const space = " \t\n\r\v\f"

// parseKeywords takes keywords and values apart.
func (d *DSN) parseKeywords(text string) error {
	text = strings.TrimLeft(text, space)
	for n := 1; text != ""; n++ {
		key, rest, found := strings.Cut(text, "=")
		if !found {
			return fmt.Errorf("its parameter %d has no = (a value with spaces needs quotes)", n)
		}
		key = strings.Trim(key, space)
		switch {
		case key == "":
			return fmt.Errorf("its parameter %d has no name", n)
		case strings.ContainsAny(key, space):
			return fmt.Errorf("its parameter %d has a space in its name (a value with spaces needs quotes)", n)
		}
		rest = strings.TrimLeft(rest, space)
		value, end, open := readValue(rest)
		if end < 0 {
			return fmt.Errorf("the quotation mark of its parameter %d is not closed", n)
		}
		raw := text[:len(text)-len(rest)+end]
		d.params = append(d.params, param{Param: Param{canonical(key), value}, raw: raw, open: open})
		text = strings.TrimLeft(rest[end:], space)
	}
	return nil
}

// readValue returns the value that text begins with and where it ends, -1 if its quotation mark is not closed.
func readValue(text string) (value string, end int, open bool) {
	var b strings.Builder
	quoted := strings.HasPrefix(text, "'")
	if quoted {
		end = 1
	}
	for ; end < len(text); end++ {
		c := text[end]
		switch {
		case quoted && c == '\'':
			return b.String(), end + 1, false
		case !quoted && strings.IndexByte(space, c) >= 0:
			return b.String(), end, false
		case c == '\\':
			if end++; end == len(text) { // it stands for nothing
				open = true
				continue
			}
			c = text[end]
		}
		b.WriteByte(c)
	}
	if quoted {
		return "", -1, false
	}
	return b.String(), min(end, len(text)), open || text == ""
}
