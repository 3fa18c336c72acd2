//go:build go1.27

package pooldriver_test

import (
	"context"
	"reflect"
	"sync"
	"testing"
)

// What can be scanned without sharing can be scanned with it, and is the same.
func TestSharedRowsScanIntoWhatPgxKnows(t *testing.T) {
	t.Parallel()
	f := open(t, 2)
	scan := func(ctx context.Context) []any {
		var (
			ints    []int32
			texts   []*string
			none    []string
			nested  [][]int64
			object  map[string]any
			blob    []byte
			anybody any
			point   struct{ A, B int }
			slept   any
		)
		err := f.db.QueryRowContext(ctx, `select '{1,2,3}'::int4[], '{a,null,"c d"}'::text[], null::text[], '{{1,2},{3,4}}'::int8[],
			'{"a": [1, null]}'::jsonb, decode('00ff', 'hex'), 'x'::text, '{"A": 3, "B": 4}'::json, pg_sleep(0.2)`).
			Scan(&ints, &texts, &none, &nested, &object, &blob, &anybody, &point, &slept)
		if err != nil {
			t.Error(err)
		}
		return []any{ints, texts, none, nested, object, blob, anybody, point}
	}
	alone := scan(f.ctx)
	var all [4][]any // the first runs, and the others share the next
	var done sync.WaitGroup
	for i := range all {
		done.Go(func() { all[i] = scan(f.sharing()) })
	}
	done.Wait()
	for _, shared := range all {
		for i := range alone {
			if !reflect.DeepEqual(alone[i], shared[i]) {
				t.Errorf("column %d: %#v by itself, %#v shared", i+1, alone[i], shared[i])
			}
		}
	}
	if f.c.Stats().CoalescedCount == 0 {
		t.Error("nobody shared")
	}
}
