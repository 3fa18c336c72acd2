package connector

import (
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
)

// setting is what is shown of a field that is set.
type setting struct {
	name, goName string
	value        any // a number, a truth value, or text
}

// settings returns what is shown of cfg, without secrets.
func (cfg *Config) settings() []setting {
	var shown []setting
	for i := range fields {
		if f := &fields[i]; !f.isZero(cfg) {
			shown = append(shown, setting{f.name, f.goName, f.shown(cfg)})
		}
	}
	for _, o := range others {
		if value := o.show(cfg); value != "" {
			shown = append(shown, setting{o.name, o.goName, value})
		}
	}
	return shown
}

// String returns the fields that are set, by their names in text, but no secret: passwords are left out of the DSN and of
// ConnConfig, literals out of statements, and hooks are only said to be set. It reads no file, and cannot be read back:
// for that there is [Config.MarshalJSON].
func (cfg Config) String() string {
	var words []string
	for _, s := range cfg.settings() {
		words = append(words, s.name+"="+word(s.value))
	}
	return "{" + strings.Join(words, " ") + "}"
}

// GoString returns the same by the names in the struct, for the verb %#v.
func (cfg Config) GoString() string {
	var words []string
	for _, s := range cfg.settings() {
		text := fmt.Sprint(s.value)
		if _, ok := s.value.(string); ok {
			text = strconv.Quote(text)
		}
		words = append(words, s.goName+":"+text)
	}
	return "connector.Config{" + strings.Join(words, ", ") + "}"
}

// Format implements fmt.Formatter, so that no verb shows the fields as they are: %d would, where there is only String.
//
// What it cannot help is a Config in a struct's unexported field, when that struct is printed: package fmt calls no
// methods there.
func (cfg Config) Format(s fmt.State, verb rune) {
	switch {
	case verb == 'v' && s.Flag('#'):
		io.WriteString(s, cfg.GoString())
	case verb == 'v' || verb == 's':
		io.WriteString(s, cfg.String())
	case verb == 'q':
		io.WriteString(s, strconv.Quote(cfg.String()))
	default:
		fmt.Fprintf(s, "%%!%c(connector.Config=%s)", verb, cfg.String())
	}
}

// LogValue implements slog.LogValuer: a group of what String returns.
func (cfg Config) LogValue() slog.Value {
	var attrs []slog.Attr
	for _, s := range cfg.settings() {
		attrs = append(attrs, slog.Any(s.name, s.value))
	}
	return slog.GroupValue(attrs...)
}

// word returns a value as one word, in quotation marks if it needs them.
func word(value any) string {
	text := fmt.Sprint(value)
	if quoted := strconv.Quote(text); text == "" || quoted != `"`+text+`"` || strings.ContainsAny(text, " {}") {
		return quoted
	}
	return text
}

// Format implements fmt.Formatter: a connector prints as its name and nothing that it holds. Its numbers are in
// [Connector.Stats], its configuration in [Connector.Config].
func (c *Connector) Format(s fmt.State, _ rune) {
	switch {
	case c == nil:
		io.WriteString(s, "<nil>")
	case c.current.Load() == nil:
		io.WriteString(s, "poolsql.Connector(bad)")
	default:
		fmt.Fprintf(s, "poolsql.Connector(%s)", c.current.Load().cfg.Name)
	}
}

// Format implements fmt.Formatter, for the same reason.
func (d Driver) Format(s fmt.State, _ rune) { io.WriteString(s, "poolsql.Driver") }
