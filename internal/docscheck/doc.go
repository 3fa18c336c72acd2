// Package docscheck holds the tests of the prose: their Go code compiles, and what the documents name exists, be it a page, a
// heading, a test, a name of the API, or what a command runs.
// It is a module of its own because they show sqlx and GORM, which the library must not depend on.
package docscheck
