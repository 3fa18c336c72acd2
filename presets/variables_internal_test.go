package presets

import (
	"reflect"
	"slices"
)

// OwnVariables returns the names of the variables that this package reads itself.
func OwnVariables() []string {
	var names []string
	for _, field := range reflect.VisibleFields(reflect.TypeFor[variables]()) {
		names = append(names, field.Tag.Get("env"))
	}
	return names
}

// JudgedVariables returns the names of the PG* variables that can be wrong.
func JudgedVariables() []string {
	names := []string{"PGSERVICE"}
	for _, s := range suspects {
		names = append(names, s.variables...)
	}
	return slices.Clone(names)
}
