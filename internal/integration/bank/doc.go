// Package bank is a ledger whose books can be checked after anything: accounts, and transfers between them, each with a
// number of its own.
//
// Start lets many workers transfer money through a *sql.DB, in every way in which a program may: one statement, a transaction,
// a transaction that is run again, a statement that may be repeated; some with a limit, some given up at any moment. Each
// notes in the Journal what it was told of each transfer. Audit compares that with the books.
package bank
