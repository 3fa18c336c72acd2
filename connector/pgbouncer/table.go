package pgbouncer

import (
	"database/sql"
	"fmt"
	"strconv"
	"time"
)

// A table is what a SHOW answers.
type table struct {
	columns map[string]int
	rows    [][][]byte
}

// A MissingError says that an answer lacks a column that every version of PgBouncer has: something else answered.
type MissingError struct{ Column string }

func (e *MissingError) Error() string {
	return fmt.Sprintf("the answer has no column %s: this is no PgBouncer, or one before 1.8", e.Column)
}

// A row is one of a table. It keeps the first error.
type row struct {
	table  *table
	values [][]byte
	err    error
}

// each reads every row of t by read.
func each[T any](show string, t *table, read func(*row) T) ([]T, error) {
	all := make([]T, 0, len(t.rows))
	for _, values := range t.rows {
		r := &row{table: t, values: values}
		all = append(all, read(r))
		if r.err != nil {
			return nil, fmt.Errorf("pgbouncer: SHOW %s: %w", show, r.err)
		}
	}
	return all, nil
}

// has returns a value, and whether there is one.
func (r *row) has(column string) (string, bool) {
	i, ok := r.table.columns[column]
	if !ok || i >= len(r.values) || r.values[i] == nil {
		return "", false
	}
	return string(r.values[i]), true
}

// text returns a text, "" if there is none.
func (r *row) text(column string) string {
	if _, ok := r.table.columns[column]; !ok && r.err == nil {
		r.err = &MissingError{Column: column}
	}
	s, _ := r.has(column)
	return s
}

// int returns a number that has to be there.
func (r *row) int(column string) int64 {
	n := r.maybe(column)
	if !n.Valid && r.err == nil {
		r.err = &MissingError{Column: column}
	}
	return n.V
}

// maybe returns a number that need not be there.
func (r *row) maybe(column string) (n sql.Null[int64]) {
	s, ok := r.has(column)
	if !ok {
		return n
	}
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		if r.err == nil {
			r.err = fmt.Errorf("column %s holds no number", column)
		}
		return n
	}
	return sql.Null[int64]{V: v, Valid: true}
}

// micros returns a time that has to be there.
func (r *row) micros(column string) time.Duration {
	return time.Duration(r.int(column)) * time.Microsecond
}

// either returns the first of the numbers that is there: columns have been renamed.
func (r *row) either(columns ...string) (n sql.Null[int64]) {
	for _, column := range columns {
		if n = r.maybe(column); n.Valid {
			return n
		}
	}
	return n
}
