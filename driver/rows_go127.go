//go:build go1.27

package pooldriver

import "database/sql/driver"

var _ driver.RowsColumnScanner = (*rows)(nil)

// NextRow implements driver.RowsColumnScanner, which pgx's rows implement with Go 1.27: database/sql calls it in place of Next.
// Were it pgx's own, nobody would hear of the rows, nor of what ended them.
func (r *rows) NextRow() error { return r.moved(r.Rows.NextRow()) }
