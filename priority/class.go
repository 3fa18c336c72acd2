package priority

import (
	"fmt"
	"strings"
)

// A Class says how much a call matters. The zero value is Normal. Higher classes compare greater than lower ones.
type Class int8

// The classes, from the last to be served to the first.
const (
	Low    Class = -1
	Normal Class = 0
	High   Class = 1
)

// NumClasses is the number of classes.
const NumClasses = 3

// Classes returns every class, the first to be served first.
func Classes() [NumClasses]Class { return [NumClasses]Class{High, Normal, Low} }

// Valid reports whether c is one of the three classes.
func (c Class) Valid() bool { return c >= Low && c <= High }

// String returns "high", "normal" or "low".
func (c Class) String() string {
	switch c {
	case High:
		return "high"
	case Normal:
		return "normal"
	case Low:
		return "low"
	default:
		return fmt.Sprintf("Class(%d)", int8(c))
	}
}

// ParseClass returns the class that s names, in any case. The empty string is Normal.
func ParseClass(s string) (Class, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "high":
		return High, nil
	case "normal", "":
		return Normal, nil
	case "low":
		return Low, nil
	default:
		return Normal, fmt.Errorf("priority: %q is no class: want high, normal or low", s)
	}
}

// MarshalText implements [encoding.TextMarshaler]. It fails for a value that is no class.
func (c Class) MarshalText() ([]byte, error) {
	if !c.Valid() {
		return nil, fmt.Errorf("priority: %d is no class: want high (1), normal (0) or low (-1)", int8(c))
	}
	return []byte(c.String()), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler] by [ParseClass].
func (c *Class) UnmarshalText(text []byte) error {
	parsed, err := ParseClass(string(text))
	if err != nil {
		return err
	}
	*c = parsed
	return nil
}

// rank is the class's place in an array: 0 is served first. A value that is no class ranks as the class nearest to it,
// so that a bad number from a caller can neither panic nor jump ahead of High.
func (c Class) rank() int {
	switch {
	case c >= High:
		return 0
	case c <= Low:
		return NumClasses - 1
	default:
		return int(High - c)
	}
}
