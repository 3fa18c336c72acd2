//go:build !linux

package main

import "time"

// nap sleeps for d, as exactly as Go does.
func nap(d time.Duration) { time.Sleep(d) }
