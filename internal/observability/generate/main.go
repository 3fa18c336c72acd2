// Command generate writes the dashboard and the rules to where they are checked in.
//
//	go run ./internal/observability/generate
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/poolsql/poolsql/internal/observability"
)

func main() {
	if err := write(); err != nil {
		fmt.Fprintf(os.Stderr, "generate: %v\n", err)
		os.Exit(1)
	}
}

func write() error {
	root, err := observability.Root()
	if err != nil {
		return err
	}
	files, err := observability.Files()
	if err != nil {
		return err
	}
	for path, content := range files {
		path = filepath.Join(root, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
