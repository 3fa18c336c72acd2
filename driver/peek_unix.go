//go:build unix

package pooldriver

import (
	"net"
	"syscall"
)

// hasNews reports whether there is something to read on a socket from which nothing is awaited: its end, most often. It
// does not wait and takes nothing off. What it cannot look at has no news.
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
	err = rc.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		news = err != syscall.EAGAIN && err != syscall.EWOULDBLOCK && err != syscall.EINTR //nolint:errorlint // an errno as it is
		return true
	})
	return news || err != nil
}
