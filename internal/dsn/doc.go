// Package dsn takes connection strings of PostgreSQL apart: to change them, and to show them without their secrets. It
// reads what pgx reads, in the way that pgx does, and asks neither the environment nor a file.
//
// No error of this package holds any part of a connection string. In one that is malformed, nobody can tell what is a
// password and what is not.
package dsn
