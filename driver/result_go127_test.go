//go:build go1.27

package pooldriver_test

import (
	"context"
	"reflect"
	"testing"
)

// What can be scanned without sharing can be scanned with it, and is the same.
func TestSharedRowsScanIntoWhatPgxKnows(t *testing.T) {
	t.Parallel()
	f := open(t, 2)
	scan := func(ctx context.Context) []any {
		t.Helper()
		var (
			ints    []int32
			texts   []*string
			none    []string
			nested  [][]int64
			object  map[string]any
			blob    []byte
			anybody any
			point   struct{ A, B int }
		)
		err := f.db.QueryRowContext(ctx, `select '{1,2,3}'::int4[], '{a,null,"c d"}'::text[], null::text[], '{{1,2},{3,4}}'::int8[],
			'{"a": [1, null]}'::jsonb, '\x00ff'::bytea, 'x'::text, '{"A": 3, "B": 4}'::json`).
			Scan(&ints, &texts, &none, &nested, &object, &blob, &anybody, &point)
		if err != nil {
			t.Fatal(err)
		}
		return []any{ints, texts, none, nested, object, blob, anybody, point}
	}
	alone, shared := scan(f.ctx), scan(f.sharing())
	for i := range alone {
		if !reflect.DeepEqual(alone[i], shared[i]) {
			t.Errorf("column %d: %#v by itself, %#v shared", i+1, alone[i], shared[i])
		}
	}
	var short []int16
	by := func(ctx context.Context) error {
		return f.db.QueryRowContext(ctx, "select '{70000}'::int4[]").Scan(&short)
	}
	if alone, shared := by(f.ctx), by(f.sharing()); alone == nil || shared == nil {
		t.Errorf("what does not fit: %v by itself, %v shared", alone, shared)
	}
}
