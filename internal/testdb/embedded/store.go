package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// envCache names another folder for the programs, which a CI may want to keep.
const envCache = "POOLSQL_TEST_CACHE"

// trialTimeout bounds the first start of a server, on a busy machine.
const trialTimeout = time.Minute

// cacheFolder is where the programs of all versions are. The home of root is
// closed to the user that will run them, so for root it is elsewhere.
func cacheFolder(uid int) (string, error) {
	dir := os.Getenv(envCache)
	if dir == "" && uid >= 0 {
		dir = "/var/cache/poolsql"
	}
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(user, "poolsql")
	}
	dir, err := filepath.Abs(filepath.Join(dir, "postgresql"))
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// store keeps one version of the programs in the cache.
type store struct {
	dir, version, repository string
}

// home is the version's folder. It appears complete or not at all.
func (s store) home() string {
	return filepath.Join(s.dir, s.version+"-"+runtime.GOOS+"-"+runtime.GOARCH)
}

func (s store) find() (programs string, ok bool) {
	programs = filepath.Join(s.home(), "bin")
	_, err := os.Stat(programs)
	return programs, err == nil
}

// workFolder is on the same file system as home, so that a rename can move the
// one to the other, and is nobody else's.
func (s store) workFolder() (string, error) {
	return os.MkdirTemp(s.dir, "download-")
}

func unpacked(work string) string { return filepath.Join(work, "programs") }

// fetch downloads, checks and unpacks the programs, and runs a server with them
// once. The library does not offer the one without the other; so nothing gets
// into the cache that does not work on this machine.
func (s store) fetch(work string) error {
	// The server's user may be able to go neither here nor to the usual place
	// of temporary files.
	if err := os.Chdir(work); err != nil {
		return err
	}
	if err := os.Setenv("TMPDIR", work); err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	config := embeddedpostgres.DefaultConfig().
		Version(embeddedpostgres.PostgresVersion(s.version)).
		Port(port).
		CachePath(filepath.Join(work, "archive")).
		BinariesPath(unpacked(work)).
		RuntimePath(filepath.Join(work, "trial")).
		Locale("C").
		Encoding("UTF8").
		StartParameters(map[string]string{"unix_socket_directories": "", "fsync": "off"}).
		StartTimeout(trialTimeout).
		Logger(os.Stderr)
	if s.repository != "" {
		config = config.BinaryRepositoryURL(s.repository)
	}
	server := embeddedpostgres.NewDatabase(config)
	if err := server.Start(); err != nil {
		return fmt.Errorf("PostgreSQL %s: %w", s.version, err)
	}
	return server.Stop()
}

// keep moves the programs to their home. When another process was faster, its
// programs are as good as ours.
func (s store) keep(work string) (programs string, err error) {
	err = os.Rename(unpacked(work), s.home())
	if programs, ok := s.find(); ok {
		return programs, nil
	}
	return "", errors.Join(err, fmt.Errorf("there are no programs in %s", s.home()))
}

func freePort() (uint32, error) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return uint32(l.Addr().(*net.TCPAddr).Port), nil
}
