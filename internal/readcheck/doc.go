// Package readcheck holds the classifier of reads (internal/sqltext.Reads) against PostgreSQL itself: its grammar, as a
// library, and a server. It is a module of its own, since no user of poolsql needs a parser. All that is in it are tests.
package readcheck
