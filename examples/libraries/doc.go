// Package libraries holds programs that use poolsql through other libraries: see the folders beside this file. They are a
// module of their own, so that these libraries are in nobody else's go.mod.
package libraries
