// Package connector puts the parts together: from a [Config] it makes a [Connector], which is what sql.OpenDB takes.
//
// A call flows one way:
//
//	*sql.DB → session → permit → pool → physical connection → inner driver
//
// The session and the physical connection are those of package driver, the permit is that of package priority, the pool
// is that of package lifecycle. This package decides what the numbers are, how a connection is dialed, and what people
// see of it all: [Connector.Stats], [Connector.Connections], and errors that can be read at three in the morning.
//
// # TLS
//
// sslmode of the DSN decides, as with pgx and psql. Without it the mode is prefer: encrypted if the server can, else plain
// text without a word, and verified never. Use verify-full, with sslrootcert where the authority is not one of the
// system's. A connection that fails for reasons of TLS is told with a sentence that says what is wrong and which setting
// helps; errors.As finds in it what crypto/x509 and the server said.
//
// # Locks
//
// There are three, and no goroutine ever holds two of them: Connector.mu, which guards the totals of connections that have
// ended, watch.mu, which guards the watchdog's timer, and the pool's (see package lifecycle). Sessions have none:
// database/sql uses each by one goroutine at a time.
//
// # Goroutines
//
// None starts before the first use. Each dial, each closing of a connection and each roll-back at a check-in runs on a
// short-lived goroutine of its own; a timer looks after idle connections, another after those in use where there are limits. After Close, and the return of the last
// connection that was in use, none is left.
package connector
