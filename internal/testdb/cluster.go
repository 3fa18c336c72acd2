package testdb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	adminUser    = "poolsql"
	ordinaryUser = "poolsql_user"

	// portTries is how often another port is chosen when somebody else took the
	// one that was free a moment ago.
	portTries = 5
)

// cluster is a data folder and the server processes on it. Its methods are
// called by one goroutine at a time.
type cluster struct {
	dir      string // everything: data, socket, log
	programs string // folder of initdb and postgres
	account  *account
	watchdog *watchdog
	port     int
	password string
	postgres *process // nil while stopped
}

// newCluster makes the folder, and the watchdog that will remove it, before
// anything is in it: whatever happens from here on leaves nothing behind.
func newCluster() (*cluster, error) {
	acct, err := serverAccount()
	if err != nil {
		return nil, err
	}
	dir, err := makeFolder(acct)
	if err != nil {
		return nil, err
	}
	w, err := startWatchdog(dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &cluster{dir: dir, account: acct, watchdog: w, password: randomHex(16)}, nil
}

func (c *cluster) create(ctx context.Context, settings []string) error {
	programs, err := findPrograms(ctx, c.account)
	if err != nil {
		return err
	}
	c.programs = programs
	if err := c.initdb(ctx); err != nil {
		return err
	}
	return c.startOnFreePort(ctx, settings)
}

// startOnFreePort starts the server on a port that nobody has been told yet.
func (c *cluster) startOnFreePort(ctx context.Context, settings []string) (err error) {
	for try := 1; ; try++ {
		if c.port, err = freePort(); err != nil {
			return err
		}
		if err := c.configure(settings); err != nil {
			return err
		}
		err := c.start(ctx)
		if err == nil || !errors.Is(err, errPortTaken) || try == portTries {
			return err
		}
	}
}

func (c *cluster) initdb(ctx context.Context) error {
	// A file, as initdb takes a password in no other way without a terminal.
	pwfile := filepath.Join(c.dir, "password")
	if err := os.WriteFile(pwfile, []byte(c.password+"\n"), 0o600); err != nil {
		return err
	}
	defer os.Remove(pwfile)
	if err := c.account.own(pwfile); err != nil {
		return err
	}
	cmd := c.command(ctx, "initdb",
		"-D", c.data(), "-U", adminUser, "--pwfile", pwfile, "-A", "scram-sha-256",
		"-E", "UTF8", "--locale=C", "--no-sync")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb in %s: %w\n%s", c.programs, errors.Join(err, ctx.Err()), lastLines(out))
	}
	return nil
}

// configure appends to postgresql.conf; of two equal names the last one counts.
//
// The data is thrown away, so nothing is done for its safety. JIT compilation
// and autovacuum would only add noise to what tests measure. Shared memory of
// the kind mmap is files in the folder, which go with it even when the server
// was killed.
func (c *cluster) configure(settings []string) error {
	lines := []string{
		"",
		"listen_addresses = '127.0.0.1'",
		"port = " + strconv.Itoa(c.port),
		"unix_socket_directories = '" + c.socketSetting() + "'",
		"max_connections = 200",
		"fsync = off",
		"synchronous_commit = off",
		"full_page_writes = off",
		"wal_level = minimal",
		"max_wal_senders = 0",
		"autovacuum = off",
		"jit = off",
		"dynamic_shared_memory_type = " + sharedMemory,
	}
	lines = append(lines, settings...)
	f, err := os.OpenFile(filepath.Join(c.data(), "postgresql.conf"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.Join(lines, "\n") + "\n")
	return errors.Join(err, f.Close())
}

// socketSetting quotes the folder twice: as an element of a list, as a string.
func (c *cluster) socketSetting() string {
	if !haveSockets {
		return ""
	}
	element := `"` + strings.ReplaceAll(c.dir, `"`, `""`) + `"`
	return strings.ReplaceAll(element, "'", "''")
}

// command prepares a program of the server's, to be run as the server's user.
func (c *cluster) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(c.programs, program), args...)
	cmd.Dir = c.dir
	cmd.Env = serverEnv()
	c.account.apply(cmd)
	c.watchdog.await(cmd)
	return cmd
}

// close ends the server, whatever its state, and removes the folder.
func (c *cluster) close() error {
	err := c.watchdog.end()
	if c.postgres != nil {
		c.postgres.end(c) // has ended already where the watchdog could do its work
		c.postgres = nil
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}

func (c *cluster) data() string { return filepath.Join(c.dir, "data") }

func (c *cluster) dsn(database string) string {
	if !haveSockets {
		return c.tcpDSN(database)
	}
	// The socket's folder cannot stand in front of the path: a URL's host may
	// hold no slash.
	return c.url(adminUser, "", database, url.Values{"host": {c.dir}, "port": {strconv.Itoa(c.port)}})
}

func (c *cluster) tcpDSN(database string) string {
	return c.url(adminUser, c.address(), database, url.Values{})
}

func (c *cluster) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)) }

func (c *cluster) url(user, host, database string, q url.Values) string {
	q.Set("sslmode", "disable")
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(user, c.password),
		Host:     host,
		Path:     "/" + database,
		RawQuery: q.Encode(),
	}
	return u.String()
}

// serverEnv is ours without what PostgreSQL's programs would listen to, and in
// the language in which we read their messages.
func serverEnv() []string {
	env := []string{"LC_ALL=C"}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "PG") && !strings.HasPrefix(kv, "LC_") && !strings.HasPrefix(kv, "LANG") {
			env = append(env, kv)
		}
	}
	return env
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
