package testdb

import (
	"bytes"
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
	"testing"

	"github.com/jackc/pgx/v5"
)

// Pooler is a PgBouncer that runs. Safe for concurrent use.
type Pooler struct {
	user, password string
	port           int
	dir            string
	watchdog       *watchdog
	process        *process
}

// PgBouncer starts a PgBouncer in front of the server, with this pool mode
// (session, transaction or statement), and ends it with the test. Each setting is
// a line of the section [pgbouncer] of its configuration, such as
// "default_pool_size = 5"; it comes after ours, so it wins.
//
// The program is that of the PATH, or where Debian puts it. Without one the test
// fails. As root it runs as the user that the server runs as.
//
// It listens on 127.0.0.1 alone and takes passwords as they are. The server's
// administrator is its own too; whoever may use the server may read its console.
// After a client's end the server's connection of a session is asked to forget it
// (server_reset_query), as PgBouncer has it by default.
func PgBouncer(t testing.TB, s *Server, mode string, settings ...string) *Pooler {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	p, err := startPooler(ctx, s, mode, settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		t.Helper()
		if err := p.close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// DSN is the URL of the database of that name through PgBouncer.
func (p *Pooler) DSN(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(p.user, p.password), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)),
		Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// ConsoleDSN is the URL of PgBouncer's own console, for an administrator.
func (p *Pooler) ConsoleDSN() string { return p.DSN("pgbouncer") }

func startPooler(ctx context.Context, s *Server, mode string, settings []string) (*Pooler, error) {
	program, err := poolerProgram()
	if err != nil {
		return nil, err
	}
	behind, err := pgx.ParseConfig(s.TCPDSN())
	if err != nil {
		return nil, err
	}
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
	p := &Pooler{user: behind.User, password: behind.Password, dir: dir, watchdog: w}
	for try := 1; ; try++ {
		err = p.configure(behind, acct, mode, settings)
		if err == nil {
			err = p.start(ctx, program, acct)
		}
		if err == nil {
			return p, nil
		}
		if !errors.Is(err, errPortTaken) || try == portTries {
			return nil, fmt.Errorf("testdb: start PgBouncer: %w", errors.Join(err, p.close()))
		}
	}
}

// poolerProgram finds the program. Debian keeps it where only root's PATH leads.
func poolerProgram() (string, error) {
	if path, err := exec.LookPath("pgbouncer"); err == nil {
		return filepath.Abs(path)
	}
	const debian = "/usr/sbin/pgbouncer"
	if _, err := os.Stat(debian); err == nil {
		return debian, nil
	}
	return "", errors.New(`testdb: no PgBouncer found for the tests. It has to be on the PATH:
  - Debian, Ubuntu: apt-get install pgbouncer
  - Fedora, Red Hat: dnf install pgbouncer
  - macOS: brew install pgbouncer`)
}

func (p *Pooler) configure(behind *pgx.ConnConfig, acct *account, mode string, settings []string) error {
	var err error
	if p.port, err = freePort(); err != nil {
		return err
	}
	lines := []string{
		"[databases]",
		fmt.Sprintf("* = host=%s port=%d", behind.Host, behind.Port),
		"[pgbouncer]",
		"listen_addr = 127.0.0.1",
		"listen_port = " + strconv.Itoa(p.port),
		"unix_socket_dir =",
		"auth_type = plain",
		"auth_file = " + filepath.Join(p.dir, "users"),
		"admin_users = " + behind.User,
		"pool_mode = " + mode,
		"max_client_conn = 1000",
	}
	lines = append(lines, settings...)
	// What is asked is a configuration of one user; the password may hold quotes, which PgBouncer wants doubled.
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	for name, text := range map[string]string{
		"ini": strings.Join(lines, "\n"), "users": quote(behind.User) + " " + quote(behind.Password),
	} {
		path := filepath.Join(p.dir, name)
		if err := errors.Join(os.WriteFile(path, []byte(text+"\n"), 0o600), acct.own(path)); err != nil {
			return err
		}
	}
	return nil
}

// start runs the program and returns when it listens. On an error it is not
// running.
func (p *Pooler) start(ctx context.Context, program string, acct *account) error {
	logFile, err := os.OpenFile(p.logPath(), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer logFile.Close() // the child has its own
	cmd := exec.Command(program, filepath.Join(p.dir, "ini"))
	cmd.Dir = p.dir
	cmd.Env = serverEnv()
	acct.apply(cmd)
	p.watchdog.await(cmd)
	p.watchdog.stop(cmd)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if err := cmd.Start(); err != nil {
		return err
	}
	p.process = &process{cmd: cmd, done: make(chan struct{})}
	go p.process.waitForExit()
	err = await(ctx, func(context.Context) (bool, error) {
		log, err := os.ReadFile(p.logPath())
		switch {
		case err != nil || bytes.Contains(log, []byte("process up")):
			return err == nil, err
		case !p.process.ended():
			return false, nil
		case bytes.Contains(log, []byte("in use")):
			return false, errPortTaken
		default:
			return false, fmt.Errorf("it ended at once\n%s", lastLines(log))
		}
	})
	if err != nil {
		p.kill()
	}
	return err
}

func (p *Pooler) logPath() string { return filepath.Join(p.dir, "log") }

// ended reports whether the process has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *Pooler) kill() {
	if p.process != nil {
		_ = p.process.cmd.Process.Kill() // fails only when it has ended
		<-p.process.done
	}
}

// close ends PgBouncer at once, whatever its clients do, and removes its folder.
func (p *Pooler) close() error {
	p.kill()
	return errors.Join(p.watchdog.end(), os.RemoveAll(p.dir))
}
