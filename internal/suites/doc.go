// Package suites runs the test suites of libraries that stand on database/sql, three times each on a real PostgreSQL: on pgx's
// own driver, on poolsql, and on poolsql around pgx's driver as around any other. What a test says must not depend on which
// of them it was, unless the difference stands in the table with its reason.
//
// No line of the suites is here. They are taken from the modules of the libraries, which go.mod requires, and run where
// the go command keeps them. Only the place that opens the connection is another: a copy of the module that does it, made
// for the run in a temporary folder, in which one call is replaced by one that asks the environment for the driver. Drivers
// of other databases, which the suites import and do not use here, are replaced by empty packages, so that nobody has to
// compile SQLite.
//
// # The second GORM
//
// GORM's second version has its suite in its repository alone. It is run from a clone, if one is named; from any other there
// is, as a stand-in, what programs do with GORM as far as it comes to the driver:
//
//	POOLSQL_GORM_REPOSITORY=$HOME/gorm go test -v ./internal/suites -run TheSecondGORM
package suites
