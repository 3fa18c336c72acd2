// Package docscheck holds the tests of the prose: the Go code in README.md compiles, and what the documents name exists.
// It is a module of its own because README.md shows sqlx and GORM, which the library must not depend on.
package docscheck
