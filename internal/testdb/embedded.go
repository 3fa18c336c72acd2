package testdb

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// embeddedPrograms is the folder of the programs that the module in the folder
// embedded downloads; an empty version means its default. That module is run
// and not imported: what it needs must not stand in our go.mod.
func embeddedPrograms(ctx context.Context, a *account, version string) (string, error) {
	_, file, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(file), "embedded")
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		return "", fmt.Errorf("download of PostgreSQL: the source of testdb is not on this machine: %w", err)
	}
	args := []string{"run", ".", "-version", version}
	if repository := os.Getenv(envRepository); repository != "" {
		args = append(args, "-repository", repository)
	}
	args = append(args, a.flags()...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off") // a workspace need not list it
	cmd.WaitDelay = time.Second                  // it may outlive the go command
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("download of PostgreSQL: %w\n%s", err, lastLines(stderr.Bytes()))
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	programs := strings.TrimSpace(lines[len(lines)-1])
	if err := usable(ctx, a, programs); err != nil {
		return "", fmt.Errorf("downloaded PostgreSQL: %w", err)
	}
	return programs, nil
}
