package prometheus

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
)

// program finds the program of that name.
func program(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf(`no %s found for the tests. It has to be on the PATH:
  - Debian, Ubuntu: apt-get install --no-install-recommends prometheus
  - Fedora: dnf install golang-github-prometheus
  - macOS: brew install prometheus`, name)
	}
	return path, nil
}

// Promtool runs promtool with these arguments and this input, and returns what it said. The error says that it found fault,
// or that it is not there.
func Promtool(ctx context.Context, input []byte, args ...string) (output string, err error) {
	path, err := program("promtool")
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
