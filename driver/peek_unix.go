//go:build unix

package pooldriver

import (
	"net"
	"syscall"
)

// hasNews reports whether there is something to read on a socket from which nothing is awaited: its end, most often. It
// does not wait and takes nothing off. What it cannot look at has no news.
//
// It looks by Control and not by Read, which waits until nobody else reads: pgx starts a reader of its own when a write is
// slow, and that one may stay in its read until the server's next word, which on an idle connection never comes.
func hasNews(conn net.Conn) bool {
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	rc, err := raw.SyscallConn()
	if err != nil {
		return false
	}
	news := false
	err = rc.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		news = err != syscall.EAGAIN && err != syscall.EWOULDBLOCK && err != syscall.EINTR //nolint:errorlint // an errno as it is
	})
	return news || err != nil
}
