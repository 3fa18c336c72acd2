package main

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// nap sleeps for d, to some 50 µs. time.Sleep is of no use for that: when nothing else is to be done, Go's scheduler waits for
// its next timer in whole milliseconds, and then serves all that are due, so that connections come free several at a
// time, as those of no server do. A file that the kernel makes readable when the time has come wakes each alone.
func nap(d time.Duration) {
	clock := clocks.Get().(*os.File)
	defer clocks.Put(clock)
	if clock == nil || !ring(clock, d) {
		time.Sleep(d)
	}
}

// clocks are timers of the kernel that nobody waits for; nil ones where it has none to give.
var clocks = sync.Pool{New: func() any {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return (*os.File)(nil)
	}
	return os.NewFile(uintptr(fd), "timer")
}}

// ring waits until clock has rung, and reports whether it could be set.
func ring(clock *os.File, d time.Duration) bool {
	raw, err := clock.SyscallConn()
	if err != nil {
		return false
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.TimerfdSettime(int(fd), 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}, nil)
	})
	if err != nil || failed != nil {
		return false
	}
	var times [8]byte
	_, err = clock.Read(times[:])
	return err == nil
}
