//go:build go1.27

package pooldriver

import (
	"database/sql"
	"database/sql/driver"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

var _ driver.RowsColumnScanner = (*sharedRows)(nil)

// NextRow implements driver.RowsColumnScanner, as pgx's rows do with Go 1.27.
func (r *sharedRows) NextRow() error { return r.step() }

// ScanColumn implements driver.RowsColumnScanner: a column of what pgx knows and database/sql does not, such as an array, can be
// scanned into a Go slice or map, as it can without sharing. What was kept of it is its text.
func (r *sharedRows) ScanColumn(ctx driver.ScanContext, i int, dest any) error {
	v := r.value(i)
	if native(dest) {
		if text, ok := textOf(v, r.types[i].name); ok {
			if known, err := scanText(r.types[i].name, text, dest); known {
				return err
			}
		}
	}
	return sql.ConvertAssign(ctx, dest, v)
}

// native reports whether dest is something that database/sql would not convert to.
func native(dest any) bool {
	if _, ok := dest.(sql.Scanner); ok || dest == nil {
		return false
	}
	t := reflect.TypeOf(dest)
	if t.Kind() != reflect.Pointer || reflect.ValueOf(dest).IsNil() {
		return false
	}
	switch t = t.Elem(); t.Kind() {
	case reflect.Slice:
		return t.Elem().Kind() != reflect.Uint8
	case reflect.Map, reflect.Array:
		return true
	case reflect.Struct:
		return !t.ConvertibleTo(reflect.TypeFor[time.Time]())
	default:
		return false
	}
}

// textOf returns the server's text of a value, nil for NULL, and whether it was kept as that.
func textOf(v driver.Value, typeName string) (text []byte, ok bool) {
	switch v := v.(type) {
	case nil:
		return nil, true
	case string:
		return []byte(v), true
	case []byte:
		return v, !strings.EqualFold(typeName, "bytea")
	default:
		return nil, false
	}
}

// knownTypes has maps of the types that pgx knows by itself. A map is for one goroutine at a time, and no lock is held over a scan,
// which may call methods of dest: those may read from the pool, too.
var knownTypes = sync.Pool{New: func() any { return pgtype.NewMap() }}

// scanText scans the text of a value of the type of that name into dest, if the type is known.
func scanText(typeName string, text []byte, dest any) (known bool, err error) {
	types := knownTypes.Get().(*pgtype.Map)
	defer knownTypes.Put(types)
	t, ok := types.TypeForName(strings.ToLower(typeName))
	if !ok {
		return false, nil
	}
	return true, types.Scan(t.OID, pgtype.TextFormatCode, text, dest)
}
