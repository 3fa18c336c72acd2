// Package pooldriver (directory driver) is how database/sql's calls become poolsql's.
//
// # A session is not a connection
//
// What database/sql holds is a [Session]: a driver.Conn that owns no socket. Making one costs no I/O and no waiting. A
// session binds a physical connection, a [Conn], at its first operation, and unbinds it at check-in:
//
//	Connector.Connect                          makes an unbound session
//	first QueryContext, ExecContext, BeginTx,
//	PrepareContext, Ping, or Conn under Raw    binds: waits for its turn and takes a connection
//	further operations before the check-in     run on the same connection
//	IsValid, Close                             unbind: the connection goes to whoever should be next
//	ResetSession                               keeps the context of the checkout, for Raw
//
// database/sql has no single call for the check-out or the check-in of a connection. It calls IsValid before it puts a
// connection back, and Close when it drops one, so these two are the check-in; both may run under its global lock, so
// they do no I/O, bind nothing and call nobody. What a connection needs before it is fit for the next holder (a
// transaction left open must be rolled back) is done on another goroutine, with a deadline of its own, and the
// connection counts as in use meanwhile.
//
// # Who may do what
//
// A session is used by one goroutine at a time, as the driver contract has it, and so needs no lock, but for the one behind
// a wrapper whose connection others may take: that is parked, and Checkins.mu guards it while it is. A Conn is used by the
// session that holds it and by nobody else, but for the counters in it, which are atomic, so that snapshots can be taken at
// any time.
//
// # Wrappers
//
// Instrumentation may stand between database/sql and a session. If it forwards neither driver.Validator nor
// driver.SessionResetter, no check-in is ever seen. A session that database/sql did not make itself therefore lets others
// have its connection, until the first check-in was seen, whenever it is between two operations outside a transaction and
// somebody waits; it binds another when it needs one. A session that is found bound at its next check-out is unbound there.
// Both are told to the observer once.
//
// # Inner drivers
//
// pgx/stdlib comes first: statements, transactions and the fate of a connection are decided with what pgx knows. Any
// other driver.Connector may stand inside; what its connections can do is asked once, and its arguments are checked
// after binding, in the order database/sql has.
package pooldriver
