package pooldriver

import (
	"bytes"
	"database/sql/driver"
	"errors"
	"io"
	"reflect"
	"slices"
	"time"
)

// A result is what a statement returned, kept so that several callers can read it. Nobody changes it.
type result struct {
	names  []string
	types  []columnType
	values []driver.Value // row after row
	rows   int
	err    error   // what came in place of the row after the last, nil if that was the end
	closed error   // what the Close of the rows said
	more   *result // the result after this one, nil if there is none
	failed error   // what came in place of that
}

// columnType is what a driver says of a column, as far as it says something.
type columnType struct {
	name             string
	scan             reflect.Type
	length           int64
	hasLength        bool
	precision, scale int64
	hasPrecision     bool
	nullable         bool
	hasNullable      bool
}

var (
	errTooLarge    = errors.New("the result is too large to be shared")
	errNotSharable = errors.New("the result holds what cannot be shared")
)

// valueSize is what a value takes in memory beside what it points to.
const valueSize = 16

// collect reads rows into a result, all that there are. room is asked, before more is kept, whether there is room for so
// many bytes. The error is why it cannot be shared; what the rows themselves say is in the result.
func collect(rows driver.Rows, room func(bytes int) bool) (*result, error) {
	first := &result{}
	for r, size := first, 0; ; {
		r.describe(rows)
		if err := r.read(rows, &size, room); err != nil {
			return nil, err
		}
		sets, ok := rows.(driver.RowsNextResultSet)
		if r.err != nil || !ok || !sets.HasNextResultSet() {
			return first, nil
		}
		switch err := sets.NextResultSet(); {
		case err == io.EOF: //nolint:errorlint // the driver contract has it as it is
			return first, nil
		case err != nil:
			r.failed = err
			return first, nil
		}
		r.more = &result{}
		r = r.more
	}
}

// read reads the rows of one result.
func (r *result) read(rows driver.Rows, size *int, room func(bytes int) bool) error {
	dest := make([]driver.Value, len(r.names))
	for {
		if err := rows.Next(dest); err != nil {
			if err != io.EOF { //nolint:errorlint // as above
				r.err = err
			}
			return nil
		}
		r.rows++
		for i, v := range dest {
			own, bytes, ok := keep(v)
			if !ok {
				return errNotSharable
			}
			dest[i] = own
			*size += valueSize + bytes
		}
		if !room(*size) {
			return errTooLarge
		}
		r.values = append(r.values, dest...)
	}
}

// keep returns a copy of v that stays as it is, and what that takes; false if v is what only its driver knows.
func keep(v driver.Value) (own driver.Value, size int, ok bool) {
	switch v := v.(type) {
	case nil, int64, float64, bool, time.Time:
		return v, 0, true
	case string:
		return v, len(v), true
	case []byte: // which may be the driver's own, until the next row
		return bytes.Clone(v), len(v), true
	default:
		return v, 0, flat(reflect.TypeOf(v))
	}
}

// describe notes the columns.
func (r *result) describe(rows driver.Rows) {
	r.names = rows.Columns()
	r.types = make([]columnType, len(r.names))
	name, _ := rows.(driver.RowsColumnTypeDatabaseTypeName)
	scan, _ := rows.(driver.RowsColumnTypeScanType)
	length, _ := rows.(driver.RowsColumnTypeLength)
	precision, _ := rows.(driver.RowsColumnTypePrecisionScale)
	nullable, _ := rows.(driver.RowsColumnTypeNullable)
	for i := range r.types {
		t := &r.types[i]
		t.scan = reflect.TypeFor[any]() // what database/sql says where the driver does not
		if name != nil {
			t.name = name.ColumnTypeDatabaseTypeName(i)
		}
		if scan != nil {
			t.scan = scan.ColumnTypeScanType(i)
		}
		if length != nil {
			t.length, t.hasLength = length.ColumnTypeLength(i)
		}
		if precision != nil {
			t.precision, t.scale, t.hasPrecision = precision.ColumnTypePrecisionScale(i)
		}
		if nullable != nil {
			t.nullable, t.hasNullable = nullable.ColumnTypeNullable(i)
		}
	}
}

// sharedRows are the rows of a result for one of its readers. They have each optional interface of driver.Rows, which say
// of what the driver did not know the same as if they had it not.
type sharedRows struct {
	*result
	next   int // row
	closed error
}

var (
	_ driver.RowsNextResultSet              = (*sharedRows)(nil)
	_ driver.RowsColumnTypeDatabaseTypeName = (*sharedRows)(nil)
	_ driver.RowsColumnTypeScanType         = (*sharedRows)(nil)
	_ driver.RowsColumnTypeLength           = (*sharedRows)(nil)
	_ driver.RowsColumnTypePrecisionScale   = (*sharedRows)(nil)
	_ driver.RowsColumnTypeNullable         = (*sharedRows)(nil)
)

// Columns implements driver.Rows.
func (r *sharedRows) Columns() []string { return slices.Clone(r.names) }

// Close implements driver.Rows. As pgx's does, it tells what ended the rows early, also to whom has not read so far.
func (r *sharedRows) Close() error { return r.closed }

// Next implements driver.Rows. What a reader may change is its own.
func (r *sharedRows) Next(dest []driver.Value) error {
	if err := r.step(); err != nil {
		return err
	}
	for i := range r.names {
		dest[i] = r.value(i)
	}
	return nil
}

// step goes to the next row, and says what is in its place if there is none.
func (r *sharedRows) step() error {
	if r.next >= r.rows {
		if r.err != nil {
			return r.err
		}
		return io.EOF
	}
	r.next++
	return nil
}

// value returns what is in a column of the row that was gone to last.
func (r *sharedRows) value(i int) driver.Value {
	v := r.values[(r.next-1)*len(r.names)+i]
	if b, ok := v.([]byte); ok {
		return bytes.Clone(b)
	}
	return v
}

// HasNextResultSet implements driver.RowsNextResultSet.
func (r *sharedRows) HasNextResultSet() bool { return r.more != nil || r.failed != nil }

// NextResultSet implements driver.RowsNextResultSet.
func (r *sharedRows) NextResultSet() error {
	switch {
	case r.failed != nil:
		return r.failed
	case r.more == nil:
		return io.EOF
	}
	r.result, r.next = r.more, 0
	return nil
}

// ColumnTypeDatabaseTypeName implements driver.RowsColumnTypeDatabaseTypeName.
func (r *sharedRows) ColumnTypeDatabaseTypeName(i int) string { return r.types[i].name }

// ColumnTypeScanType implements driver.RowsColumnTypeScanType.
func (r *sharedRows) ColumnTypeScanType(i int) reflect.Type { return r.types[i].scan }

// ColumnTypeLength implements driver.RowsColumnTypeLength.
func (r *sharedRows) ColumnTypeLength(i int) (length int64, ok bool) {
	return r.types[i].length, r.types[i].hasLength
}

// ColumnTypePrecisionScale implements driver.RowsColumnTypePrecisionScale.
func (r *sharedRows) ColumnTypePrecisionScale(i int) (precision, scale int64, ok bool) {
	return r.types[i].precision, r.types[i].scale, r.types[i].hasPrecision
}

// ColumnTypeNullable implements driver.RowsColumnTypeNullable.
func (r *sharedRows) ColumnTypeNullable(i int) (nullable, ok bool) {
	return r.types[i].nullable, r.types[i].hasNullable
}
