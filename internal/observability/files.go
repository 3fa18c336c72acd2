package observability

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/poolsql/poolsql/internal/observability/dashboard"
	"github.com/poolsql/poolsql/internal/observability/rules"
)

// Files makes everything that is checked in, by its path from the root of the repository.
func Files() (map[string][]byte, error) {
	files := make(map[string][]byte)
	var errs []error
	add := func(path string, content []byte, err error) {
		files[path] = content
		errs = append(errs, err)
	}
	board, err := dashboard.New().JSON()
	add(dashboard.Path, board, err)
	recording, err := rules.Recording(1).YAML()
	add(rules.RecordingPath, recording, err)
	alerts, err := rules.Alerts(1).YAML()
	add(rules.AlertsPath, alerts, err)
	return files, errors.Join(errs...)
}

// Root is the root of the repository that the working directory is in: where LICENSE is.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "LICENSE")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("not in the repository of poolsql")
		}
		dir = parent
	}
}
