// Package examples holds programs that a reader runs: see the folders beside this file.
package examples
