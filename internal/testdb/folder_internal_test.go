//go:build unix

package testdb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFolderIsElsewhereWhenTheSocketsPathWouldBeTooLong(t *testing.T) {
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	if err := os.Mkdir(long, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", long)
	dir, err := makeFolder(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if len(dir) > longestFolder {
		t.Errorf("%s has %d bytes, the longest possible is %d", dir, len(dir), longestFolder)
	}
	if left, _ := os.ReadDir(long); len(left) > 0 {
		t.Errorf("left in the folder that was not used: %v", left)
	}
}

func TestFolderIsWhereTheServersUserCanCome(t *testing.T) {
	closed, err := os.MkdirTemp("/tmp", "t")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(closed)
	inside := filepath.Join(closed, "open")
	if err := os.Mkdir(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", inside)

	me := &account{uid: os.Getuid(), gid: os.Getgid()} // chown to oneself is allowed
	dir, err := makeFolder(me)
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if strings.HasPrefix(dir, closed) {
		t.Errorf("%s is in a folder that is closed to others", dir)
	}

	mine, err := makeFolder(nil)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(mine, inside) {
		t.Errorf("%s is not in the temporary folder, which we can enter", mine)
	}
}
