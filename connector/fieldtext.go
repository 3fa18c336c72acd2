package connector

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/poolsql/poolsql/internal/sqltext"
)

// noneText is None in text.
const noneText = "none"

// isZero reports whether the field is unset.
func (f *field) isZero(cfg *Config) bool {
	value := reflect.ValueOf(f.at(cfg)).Elem()
	return value.IsZero() || value.Kind() == reflect.Slice && value.Len() == 0
}

// copy sets the field in to as it is in from.
func (f *field) copy(to, from *Config) {
	reflect.ValueOf(f.at(to)).Elem().Set(reflect.ValueOf(f.at(from)).Elem())
}

// restoreNone undoes what setDefaults does to None.
func (cfg *Config) restoreNone() {
	for i := range fields {
		if f := &fields[i]; f.none && f.isZero(cfg) {
			*f.at(cfg).(*time.Duration) = None
		}
	}
}

// set sets the field to what a value of JSON, YAML or a DSN says, if that is one for it, and reports whether it is.
func (f *field) set(cfg *Config, value any) bool {
	before := *cfg
	ok := f.take(cfg, value)
	if !ok {
		f.copy(cfg, &before)
	}
	return ok
}

func (f *field) take(cfg *Config, value any) bool {
	if !f.read(f.at(cfg), value) {
		return false
	}
	if f.isZero(cfg) {
		switch f.zero {
		case zeroIsDefault:
			return false
		case zeroIsNone:
			*f.at(cfg).(*time.Duration) = None
		case zeroIsZero:
		}
	}
	return f.fault(cfg) == ""
}

func (f *field) read(at, value any) bool {
	if p, ok := at.(*[]string); ok {
		return f.readList(p, value)
	}
	text, isText := value.(string)
	if p, ok := at.(*string); ok {
		*p = text
		return isText
	}
	if p, ok := at.(encoding.TextUnmarshaler); ok {
		return isText && p.UnmarshalText([]byte(text)) == nil
	}
	if !isText {
		text = scalar(value)
	}
	var err error
	switch p := at.(type) {
	case *int:
		*p, err = strconv.Atoi(text)
	case *bool:
		*p, err = strconv.ParseBool(text)
	case *time.Duration:
		if text == noneText {
			*p = None
			return true // where there is none, fault says so
		}
		*p, err = time.ParseDuration(text)
	default:
		panic("poolsql: bug: no text form for the type of Config." + f.goName)
	}
	return err == nil
}

// readList reads texts: a list of them, or a single one, which is all that a DSN can say. An empty list is none.
func (f *field) readList(p *[]string, value any) bool {
	if text, ok := value.(string); ok {
		*p = []string{text}
		if f.commas {
			*p = strings.Split(text, ",")
		}
		return true
	}
	list, ok := value.([]any)
	if !ok {
		return false
	}
	var texts []string
	for _, v := range list {
		text, ok := v.(string)
		if !ok {
			return false
		}
		texts = append(texts, text)
	}
	*p = texts
	return true
}

// scalar returns a number or a truth value as text, as the decoders of JSON and YAML have them; "" for all else.
func scalar(value any) string {
	switch v := value.(type) {
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case uint64:
		return strconv.FormatUint(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// value returns the field as JSON and YAML have it.
func (f *field) value(cfg *Config) any {
	switch p := f.at(cfg).(type) {
	case *string:
		return *p
	case *[]string:
		return *p
	case *int:
		return *p
	case *bool:
		return *p
	case *time.Duration:
		if f.none && *p == None {
			return noneText
		}
		return p.String()
	case encoding.TextMarshaler:
		text, err := p.MarshalText()
		if err != nil {
			return "?" // which nobody can read: see write
		}
		return string(text)
	}
	panic("poolsql: bug: no text form for the type of Config." + f.goName)
}

// shown returns the field as it can be shown: a number, a truth value, or text.
func (f *field) shown(cfg *Config) any {
	switch v := f.value(cfg).(type) {
	case []string:
		texts := make([]string, len(v))
		for i, text := range v {
			texts[i] = f.showText(text)
		}
		if f.commas {
			return strings.Join(texts, ",")
		}
		return strings.Join(texts, "; ")
	case string:
		return f.showText(v)
	default:
		return v
	}
}

func (f *field) showText(text string) string {
	switch f.form {
	case sqlText:
		return sqltext.Strip(text)
	case connString:
		return showDSN(text)
	default:
		return text
	}
}

// wants says what the field should be in text. It holds nothing of what it is.
func (f *field) wants() string {
	if f.want != "" {
		return f.want
	}
	switch f.at(new(Config)).(type) {
	case *int:
		if f.zero == zeroIsDefault {
			return "want a whole number of 1 or more"
		}
		return "want a whole number of 0 or more"
	case *bool:
		return "want true or false"
	case *time.Duration:
		want := "want a duration with its unit, such as 30s or 1h30m"
		if f.zero != zeroIsDefault {
			want += ", or 0"
		}
		if f.none {
			want += ", or none for no limit"
		}
		return want
	}
	return "want a text"
}
