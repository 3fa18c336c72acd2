package connector

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/poolsql/poolsql/internal/dsn"
)

// MarshalJSON returns the fields that are set, as UnmarshalJSON reads them:
//
//	{"dsn": "postgres://app@localhost/shop", "max_conns": 20, "acquire_timeout": "5s", "max_conn_lifetime": "none"}
//
// The names are those of the parameters of a DSN without pool_. Durations are text, as time.ParseDuration reads it, None
// is "none", and Prewarm is a list.
//
// Passwords are not written: they are left out of the DSN, so that what is read back needs them from elsewhere, such as
// PGPASSWORD or a passfile. Statements are written as they are. Hooks and the Observer are left out: the program that
// reads sets its own. It fails if there is a ConnConfig without a DSN, or a Connector, as what is read back would connect
// to something else; if a field is not valid; and if the DSN has a parameter of which it is not known whether it is a
// secret. But for all that, what is read is what was written.
func (cfg Config) MarshalJSON() ([]byte, error) {
	values, err := cfg.written()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	for i, v := range values {
		text, err := json.Marshal(v.value)
		if err != nil {
			return nil, fmt.Errorf("poolsql: %s: %w", v.name, err)
		}
		separator := byte(',')
		if i == 0 {
			separator = '{'
		}
		b.WriteByte(separator)
		fmt.Fprintf(&b, "%q:%s", v.name, text)
	}
	if len(values) == 0 {
		b.WriteByte('{')
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// UnmarshalJSON sets the fields that data names; the others stay as they are, so that data can be laid over a preset. null
// sets nothing. It fails, with everything that is wrong, and changes nothing, if a name is unknown or there twice, or if
// a value is not one for its field. What is wrong between fields is for [Config.Validate]. No error holds a value.
func (cfg *Config) UnmarshalJSON(data []byte) error {
	values, err := members(data)
	if err != nil {
		return err
	}
	return cfg.setAll(values)
}

// MarshalYAML returns what MarshalJSON writes, as a map. The libraries gopkg.in/yaml.v3 and v2 look for this method.
func (cfg Config) MarshalYAML() (any, error) {
	values, err := cfg.written()
	if err != nil {
		return nil, err
	}
	m := make(map[string]any, len(values))
	for _, v := range values {
		m[v.name] = v.value
	}
	return m, nil
}

// UnmarshalYAML is UnmarshalJSON for the libraries of YAML that call it with a function to decode into what they are
// given: gopkg.in/yaml.v3 and v2.
func (cfg *Config) UnmarshalYAML(unmarshal func(any) error) error {
	var m map[string]any
	if unmarshal(&m) != nil { // it may quote the text
		return errors.New("poolsql: bad configuration: want fields and their values, as in max_conns: 20, each once")
	}
	var values []namedValue
	for _, name := range slices.Sorted(maps.Keys(m)) {
		values = append(values, namedValue{name, m[name]})
	}
	return cfg.setAll(values)
}

// namedValue is a field in text.
type namedValue struct {
	name  string
	value any
}

// written returns the fields that are set, as they are written.
func (cfg *Config) written() ([]namedValue, error) {
	var values []namedValue
	var errs []error
	for _, o := range others {
		if o.source && o.show(cfg) != "" && cfg.DSN == "" {
			errs = append(errs, fmt.Errorf("%s is set, and only a program can say what it is: want a DSN", o.goName))
		}
	}
	for i := range fields {
		f := &fields[i]
		if f.isZero(cfg) {
			continue
		}
		value, err := f.write(cfg)
		if err != nil {
			errs = append(errs, err)
		}
		values = append(values, namedValue{f.name, value})
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("poolsql: this configuration cannot be written: %w", errors.Join(errs...))
	}
	return values, nil
}

// write returns the field as it is written.
func (f *field) write(cfg *Config) (any, error) {
	if fault := f.fault(cfg); fault != "" {
		return nil, errors.New(f.goName + fault)
	}
	var texts []any
	value := f.value(cfg)
	read := value
	switch v := value.(type) {
	case string:
		texts = []any{v}
	case []string:
		for _, text := range v {
			texts = append(texts, text)
		}
		read = texts
	}
	if slices.ContainsFunc(texts, func(text any) bool { return !utf8.ValidString(text.(string)) }) {
		return nil, fmt.Errorf("%s is not UTF-8", f.goName)
	}
	if f.form == connString {
		return f.publicDSN(value.(string))
	}
	if !f.set(new(Config), read) {
		return nil, fmt.Errorf("%s: %s", f.goName, f.wants())
	}
	return value, nil
}

// publicDSN returns a DSN without its secrets.
func (f *field) publicDSN(text string) (string, error) {
	d, err := dsn.Parse(text)
	if err != nil {
		return "", fmt.Errorf("%s does not parse: %w", f.goName, err)
	}
	public, err := d.Public(func(key string) bool { return paramField(key) != nil })
	if err != nil {
		return "", fmt.Errorf("%s: %w", f.goName, err)
	}
	if public == "" {
		public = everythingUnsaid
	}
	return public, nil
}

// members returns the members of a JSON object, none for null.
func members(data []byte) ([]namedValue, error) {
	// The errors of the decoder quote what they find.
	errNoObject := errors.New(`poolsql: bad configuration: want a JSON object, as in {"max_conns": 20}`)
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	begin, err := decoder.Token()
	if err == nil && begin == nil {
		return nil, nil
	}
	if err != nil || begin != json.Delim('{') {
		return nil, errNoObject
	}
	var values []namedValue
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, errNoObject
		}
		var value any
		if decoder.Decode(&value) != nil {
			return nil, errNoObject
		}
		values = append(values, namedValue{name.(string), value})
	}
	if _, err := decoder.Token(); err != nil {
		return nil, errNoObject
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errNoObject
	}
	return values, nil
}

// setAll sets the fields that values name, or none of them.
func (cfg *Config) setAll(values []namedValue) error {
	c := *cfg
	seen := make(map[string]bool)
	var errs []error
	for _, v := range values {
		f := fieldNamed(v.name)
		switch {
		case f == nil:
			errs = append(errs, unknownName(v.name))
		case seen[v.name]:
			errs = append(errs, fmt.Errorf("%s: is there twice", v.name))
		case v.value != nil && !f.set(&c, v.value):
			errs = append(errs, fmt.Errorf("%s: %s", v.name, f.wants()))
		}
		seen[v.name] = true
	}
	if len(errs) > 0 {
		return fmt.Errorf("poolsql: bad configuration: %w", errors.Join(errs...))
	}
	*cfg = c
	return nil
}
