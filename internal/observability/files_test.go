package observability_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/poolsql/poolsql/internal/observability"
)

func TestWhatIsCheckedInIsWhatTheCodeMakes(t *testing.T) {
	files, err := observability.Files()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range files {
		got, err := os.ReadFile(filepath.Join(root(t), filepath.FromSlash(path)))
		if err != nil {
			t.Error(err)
			continue
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the code makes: run go generate ./internal/observability", path)
		}
	}
	if len(files) != 3 {
		t.Errorf("%d files", len(files))
	}
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := observability.Root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
