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
