package poolotel

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"
)

// other is what every label and tenant is called for which there is no room.
const other = "other"

// maxNameBytes is how long a label or tenant may be. What is longer is no name of a kind of thing, but a thing.
const maxNameBytes = 128

// A limiter has something, a series say, for each of a bounded number of names: for the first that come. The rest share
// one. So a program that makes labels of what its users send gets a useless metric, and not a Prometheus without memory.
//
// A name that is known costs one look into a map that never changes: a new one is put into a copy. When there is room for
// no more, an unknown name costs as much. Safe for concurrent use.
type limiter[T any] struct {
	none *T // of the empty name
	rest *T // of those for which there is no room, and of whatever is called as they are
	make func(shown string) *T

	byName atomic.Pointer[map[string]*T] // by the name that callers use
	full   atomic.Bool

	mu    sync.Mutex
	shown map[string]*T // by the name that is shown
	room  int           // for so many more
}

// newLimiter returns a limiter for so many names, that has what create returns for the name that is shown: "" for callers who
// name nothing.
func newLimiter[T any](names int, create func(shown string) *T) *limiter[T] {
	l := &limiter[T]{
		none: create(""), rest: create(other), make: create,
		shown: make(map[string]*T), room: names,
	}
	l.shown[other] = l.rest
	l.byName.Store(&map[string]*T{other: l.rest})
	l.full.Store(names <= 0)
	return l
}

// of returns what there is for name.
func (l *limiter[T]) of(name string) *T {
	if name == "" {
		return l.none
	}
	if v, ok := (*l.byName.Load())[name]; ok {
		return v
	}
	if l.full.Load() || len(name) > maxNameBytes {
		return l.rest
	}
	return l.admit(name)
}

// admit makes room for name, if there is any. Names that look the same when shown share what they have, but each takes a
// place, or there would be no end of them.
func (l *limiter[T]) admit(name string) *T {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := *l.byName.Load()
	if v, ok := known[name]; ok { // somebody else was faster
		return v
	}
	if l.room == 0 {
		return l.rest
	}
	l.room--
	l.full.Store(l.room == 0)
	name = strings.Clone(name) // it may be a part of something large
	seen := show(name)
	v, ok := l.shown[seen]
	if !ok {
		v = l.make(seen)
		l.shown[seen] = v
	}
	next := maps.Clone(known)
	next[name] = v
	l.byName.Store(&next)
	return v
}

// each calls f for what every name has, and for what those without one have.
func (l *limiter[T]) each(f func(*T)) {
	l.mu.Lock()
	all := slices.Collect(maps.Values(l.shown))
	l.mu.Unlock()
	f(l.none)
	for _, v := range all {
		f(v)
	}
}

// show returns name as a series may have it. Prometheus takes no invalid UTF-8, and some of its parsers end at a zero byte.
func show(name string) string {
	if !strings.ContainsFunc(name, unshowable) {
		return name
	}
	return strings.Map(func(r rune) rune {
		if unshowable(r) {
			return utf8.RuneError
		}
		return r
	}, name)
}

// unshowable reports whether r is a control character, or stands for a byte that is no UTF-8.
func unshowable(r rune) bool { return r == utf8.RuneError || unicode.IsControl(r) }
