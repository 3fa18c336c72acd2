// Package conformance says what a program that uses database/sql on PostgreSQL may rely on, as a table of small
// programs, and compares what they see on two ways to a database: pgx/stdlib by itself, and one that stands in for it.
//
// A case notes what it sees, step by step, as text: values with their Go types, column types, classes of errors. What
// two targets note must be the same, but for the differences that are allowed, each of which has a reason and must
// show, so that the list cannot outlive the facts.
package conformance
