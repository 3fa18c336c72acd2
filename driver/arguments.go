package pooldriver

import (
	"bytes"
	"database/sql/driver"
	"encoding/binary"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// maxArguments is how many bytes of arguments are compared, and copied, so that calls can share an execution. A call
	// with more is likely to be the only one of its kind.
	maxArguments = 64 << 10
	// maxNesting is how deep slices and pointers in arguments may lie in each other. It ends what points to itself.
	maxNesting = 8
)

// canonical returns a text that is the same for two lists of arguments if, and only if, they are the same, by types and
// values, and a copy of args that nobody else holds. It returns false for what it cannot tell apart or copy: functions,
// structs with pointers in them, what is too large.
//
// A Valuer is asked for its value here, once, on the goroutine of its caller; what it said is compared and is what runs.
func canonical(args []driver.NamedValue) (text string, own []driver.NamedValue, ok bool) {
	if len(args) == 0 {
		return "", nil, true
	}
	var c canon
	own = make([]driver.NamedValue, len(args))
	for i, arg := range args {
		c.number(uint64(arg.Ordinal))
		if !c.text(arg.Name) {
			return "", nil, false
		}
		value, ok := c.any(arg.Value)
		if !ok {
			return "", nil, false
		}
		own[i] = driver.NamedValue{Name: arg.Name, Ordinal: arg.Ordinal, Value: value}
	}
	return string(c.out), own, true
}

// A canon writes values such that no two different ones are written alike: each begins with what it is, and what has a
// length with that.
type canon struct {
	out   []byte
	depth int
}

// What a value begins with, where that is not its type.
const (
	tagNil = iota
	tagInt64
	tagFloat64
	tagBool
	tagString
	tagBytes
	tagTime
	tagOther
	tagPresent
)

func (c *canon) number(n uint64) { c.out = binary.AppendUvarint(c.out, n) }

func (c *canon) fixed(n uint64) { c.out = binary.LittleEndian.AppendUint64(c.out, n) }

// text writes s, and reports whether there was room for it.
func (c *canon) text(s string) bool {
	if len(c.out)+len(s) > maxArguments {
		return false
	}
	c.number(uint64(len(s)))
	c.out = append(c.out, s...)
	return true
}

// any writes a value of an interface.
func (c *canon) any(v any) (own any, ok bool) {
	switch v := v.(type) {
	case nil:
		c.out = append(c.out, tagNil)
		return nil, true
	case int64:
		c.out = append(c.out, tagInt64)
		c.fixed(uint64(v))
		return v, true
	case float64: // by its bits: so a NaN is the same as itself, and 0 is not -0
		c.out = append(c.out, tagFloat64)
		c.fixed(math.Float64bits(v))
		return v, true
	case bool:
		c.out = append(c.out, tagBool, flag(v))
		return v, true
	case string:
		c.out = append(c.out, tagString)
		return v, c.text(v)
	case []byte:
		c.out = append(c.out, tagBytes, flag(v != nil))
		if len(v) > maxArguments {
			return nil, false
		}
		return bytes.Clone(v), c.text(string(v))
	case time.Time:
		c.out = append(c.out, tagTime)
		return v, c.time(v)
	case pgx.NamedArgs, pgx.StrictNamedArgs: // which are maps
	case pgx.QueryRewriter:
		return nil, false
	case driver.Valuer:
		if !ofPgx(reflect.TypeOf(v)) {
			return c.valuer(v)
		}
	}
	value := reflect.ValueOf(v)
	c.out = append(c.out, tagOther)
	c.kind(value.Type())
	copied, ok := c.value(value)
	if !ok {
		return nil, false
	}
	return copied.Interface(), true
}

// valuer writes what a Valuer says, which is as if the caller had passed that.
func (c *canon) valuer(v driver.Valuer) (own any, ok bool) {
	said, err := valueOf(v)
	if err != nil || !driver.IsValue(said) {
		return nil, false // the operation will tell
	}
	if _, again := said.(driver.Valuer); again {
		return nil, false
	}
	return c.any(said)
}

// ofPgx reports whether a type, or what it points to, is one of pgx's own. Their values are no affair of anybody's state,
// and pgx knows more of them than what they are as Valuers.
func ofPgx(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return strings.HasPrefix(t.PkgPath(), "github.com/jackc/pgx/v5/")
}

// kind writes which type it is: where its description is, since its name may be another one's too.
func (c *canon) kind(t reflect.Type) { c.fixed(uint64(reflect.ValueOf(t).Pointer())) }

// time writes a time with its zone, which some types of columns have a use for.
func (c *canon) time(t time.Time) bool {
	zone, offset := t.Zone()
	c.fixed(uint64(t.Unix()))
	c.fixed(uint64(t.Nanosecond()))
	c.fixed(uint64(offset))
	return c.text(zone) && c.text(t.Location().String())
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// value writes a value whose type is written already, and returns a copy.
func (c *canon) value(v reflect.Value) (own reflect.Value, ok bool) {
	if c.depth++; c.depth > maxNesting || len(c.out) > maxArguments {
		return v, false
	}
	defer func() { c.depth-- }()
	switch v.Kind() {
	case reflect.Struct:
		return v, c.structure(v)
	case reflect.Slice, reflect.Pointer, reflect.Map, reflect.Interface:
		if v.IsNil() {
			c.out = append(c.out, tagNil)
			return v, true
		}
		c.out = append(c.out, tagPresent)
	}
	switch v.Kind() {
	case reflect.Slice:
		return c.slice(v)
	case reflect.Array:
		own = reflect.New(v.Type()).Elem()
		return own, c.elements(v, own)
	case reflect.Map:
		return c.mapping(v)
	case reflect.Pointer:
		elem, ok := c.typed(v.Elem())
		if !ok {
			return v, false
		}
		own = reflect.New(v.Type().Elem())
		own.Elem().Set(elem)
		return own, true
	case reflect.Interface:
		inner, ok := c.any(v.Interface())
		own = reflect.New(v.Type()).Elem()
		if !ok || inner != nil && !reflect.TypeOf(inner).AssignableTo(v.Type()) {
			return v, false
		}
		if inner != nil {
			own.Set(reflect.ValueOf(inner))
		}
		return own, true
	default:
		return v, c.scalar(v)
	}
}

// typed writes what lies in a place that has a type. A Valuer there cannot be replaced by what it says.
func (c *canon) typed(v reflect.Value) (own reflect.Value, ok bool) {
	if t := v.Type(); v.Kind() != reflect.Interface && t.Implements(reflect.TypeFor[driver.Valuer]()) && !ofPgx(t) {
		return v, false
	}
	return c.value(v)
}

func (c *canon) slice(v reflect.Value) (own reflect.Value, ok bool) {
	if v.Len() > maxArguments {
		return v, false
	}
	own = reflect.MakeSlice(v.Type(), v.Len(), v.Len())
	if v.Type().Elem().Kind() == reflect.Uint8 {
		reflect.Copy(own, v)
		return own, c.text(string(v.Bytes()))
	}
	c.number(uint64(v.Len()))
	return own, c.elements(v, own)
}

func (c *canon) elements(v, own reflect.Value) bool {
	for i := range v.Len() {
		elem, ok := c.typed(v.Index(i))
		if !ok {
			return false
		}
		own.Index(i).Set(elem)
	}
	return true
}

// mapping writes a map in the order of its keys as they are written.
func (c *canon) mapping(v reflect.Value) (own reflect.Value, ok bool) {
	own = reflect.MakeMapWithSize(v.Type(), v.Len())
	entries := make([]string, 0, v.Len())
	for at := v.MapRange(); at.Next(); {
		entry := canon{depth: c.depth}
		key, ok := entry.typed(at.Key())
		if !ok {
			return v, false
		}
		value, ok := entry.typed(at.Value())
		if !ok {
			return v, false
		}
		own.SetMapIndex(key, value)
		entries = append(entries, string(entry.out))
	}
	slices.Sort(entries)
	c.number(uint64(len(entries)))
	for _, e := range entries {
		if !c.text(e) {
			return v, false
		}
	}
	return own, true
}

// structure writes a struct, if it is the same as long as nobody assigns to it: one without pointers.
func (c *canon) structure(v reflect.Value) bool {
	if v.CanInterface() {
		switch v := v.Interface().(type) {
		case time.Time:
			return c.time(v)
		case netip.Addr:
			return c.text(v.String())
		case netip.Prefix:
			return c.text(v.String())
		}
	}
	for i := range v.NumField() {
		f := v.Field(i)
		switch f.Kind() {
		case reflect.Struct:
			if !c.structure(f) {
				return false
			}
		case reflect.Array:
			if !flat(f.Type().Elem()) {
				return false
			}
			for j := range f.Len() {
				if !c.scalar(f.Index(j)) {
					return false
				}
			}
		default:
			if !c.scalar(f) {
				return false
			}
		}
	}
	return true
}

// flat reports whether values of a type are numbers, truth values or texts.
func flat(t reflect.Type) bool {
	return t.Kind() >= reflect.Bool && t.Kind() <= reflect.Float64 && t.Kind() != reflect.Uintptr || t.Kind() == reflect.String
}

// scalar writes a number, a truth value or a text.
func (c *canon) scalar(v reflect.Value) bool {
	switch {
	case !flat(v.Type()):
		return false
	case v.Kind() == reflect.Bool:
		c.out = append(c.out, flag(v.Bool()))
	case v.CanInt():
		c.fixed(uint64(v.Int()))
	case v.CanUint():
		c.fixed(v.Uint())
	case v.CanFloat():
		c.fixed(math.Float64bits(v.Float()))
	default:
		return c.text(v.String())
	}
	return true
}
