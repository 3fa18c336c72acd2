//go:build !unix

package pooldriver

import "net"

// hasNews reports whether there is something to read on a socket from which nothing is awaited. Here nobody can tell.
func hasNews(net.Conn) bool { return false }
