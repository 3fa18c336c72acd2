//go:build !unix

package main

import "errors"

func become(string, int, int) error {
	return errors.New("on this system a process cannot become another user")
}
