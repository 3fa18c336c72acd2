//go:build unix

package testdb

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

const (
	haveSockets  = true
	sharedMemory = "mmap"
)

// longestFolder leaves room for "/.s.PGSQL.65535" in the smallest sun_path in
// use, 104 bytes on macOS and the BSDs.
const longestFolder = 104 - 1 - len("/.s.PGSQL.65535")

// account is the user that the server runs as; nil is the one we are. PostgreSQL
// refuses to be run by root.
type account struct {
	uid, gid int
}

// serverAccount is nil unless we are root.
func serverAccount() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if errUID != nil || errGID != nil {
			continue
		}
		return &account{uid: int(uid), gid: int(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor nobody to run it as")
}

func (a *account) apply(cmd *exec.Cmd) {
	if a == nil {
		return
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
}

func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return os.Chown(path, a.uid, a.gid)
}

// makeFolder makes the server's folder where a socket's path is short enough,
// and where its user can come.
func makeFolder(a *account) (string, error) {
	var tried []string
	for _, parent := range []string{os.TempDir(), "/tmp"} {
		if !filepath.IsAbs(parent) || !a.reaches(parent) {
			tried = append(tried, parent)
			continue
		}
		dir, err := os.MkdirTemp(parent, "poolsql-pg-")
		if err != nil {
			return "", err
		}
		if len(dir) > longestFolder {
			os.Remove(dir)
			tried = append(tried, parent)
			continue
		}
		return dir, a.own(dir)
	}
	return "", fmt.Errorf("no folder for the server: the paths %q are too long for a socket, or closed to the user that runs the server", tried)
}

// reaches tells whether every folder on the way can be entered by all. Only
// root asks, whose own permissions prove nothing.
func (a *account) reaches(dir string) bool {
	if a == nil {
		return true
	}
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return true
		}
		dir = parent
	}
}

// flags tell the downloading program whom it has to become.
func (a *account) flags() []string {
	if a == nil {
		return nil
	}
	return []string{"-uid", strconv.Itoa(a.uid), "-gid", strconv.Itoa(a.gid)}
}
