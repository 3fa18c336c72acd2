// Package suites runs the test suites of libraries that stand on database/sql, twice each on a real PostgreSQL: on pgx's
// own driver and on poolsql. What a test says must not depend on which of the two it was, unless the difference stands in
// the table with its reason.
//
// No line of the suites is here. They are taken from the modules of the libraries, which go.mod requires, and run where
// the go command keeps them. Only the place that opens the connection is another: a copy of the module that does it, made
// for the run in a temporary folder, in which one call is replaced by one that asks the environment for the driver. Drivers
// of other databases, which the suites import and do not use here, are replaced by empty packages, so that nobody has to
// compile SQLite.
//
// # GORM
//
// The suite of GORM's second version is a module of its own, which no proxy has. It can be run from a clone of GORM's
// repository:
//
//	POOLSQL_GORM_REPOSITORY=../gorm go test ./internal/suites -run TestGORMFromItsRepository -v
//
// What is always run is the suite of its first version, which the second one's was made of; that of gorm.io/datatypes, and
// what stands in gorm_test.go.
package suites
