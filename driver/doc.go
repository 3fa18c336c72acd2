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
// connection back, and Close when it drops one, so these two are the check-in. They do no I/O and bind nothing; an observer
// hears of the release there. What a connection needs before it is fit for the next holder (a transaction left open must be
// rolled back) is done on another goroutine, with a deadline of its own, and the connection counts as in use meanwhile.
//
// # Who may do what
//
// A session is used by one goroutine at a time, as the driver contract has it, and so needs no lock. A Conn is used by the
// session that holds it and by nobody else, but for the counters in it, which are atomic, so that snapshots can be taken at
// any time.
//
// # Wrappers
//
// Instrumentation may stand between database/sql and a session. If it forwards neither driver.Validator nor
// driver.SessionResetter, no check-in is ever seen. So a session that database/sql did not make itself looks, until it was
// told of a check-in, at who called it: for a *sql.DB or *sql.Stmt the check-in follows at the end of the operation or of
// the transaction, and it unbinds there. A *sql.Conn keeps what it has; behind such a wrapper it keeps it, after its Close,
// until database/sql uses the session again or closes it. A session that is found bound at its next check-out is unbound
// there. The observer is told once.
//
// # Inner drivers
//
// pgx/stdlib comes first: statements, transactions and the fate of a connection are decided with what pgx knows. Any
// other driver.Connector may stand inside; what its connections can do is asked once, and its arguments are checked
// after binding, in the order database/sql has.
package pooldriver
