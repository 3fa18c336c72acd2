package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	_ "github.com/lib/pq" // embedded-postgres has it anyway
)

const version = "15.99.0" // of the archive here; no repository has it

func TestDownloadedProgramsRunAServer(t *testing.T) {
	jar := installed(t).jar(t)
	repo := serve(t, jar, checksum(jar))
	cache := useRepository(t, repo.url)

	// Two at once, as two test binaries may be the first.
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			in, err := installationOf(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			if !strings.HasPrefix(in.bin, cache) || !strings.HasPrefix(in.lib, cache) || !strings.HasPrefix(in.share, cache) {
				t.Errorf("the server runs from %+v, not from the cache %s", in, cache)
			}
		})
	}
	wg.Wait()

	downloads := repo.requests.Load()
	if downloads == 0 {
		t.Fatal("nothing was downloaded")
	}
	if _, err := installationOf(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again := repo.requests.Load(); again != downloads {
		t.Errorf("%d requests for programs that were in the cache", again-downloads)
	}
	if left := names(t, cache+"/postgresql"); len(left) != 1 {
		t.Errorf("the cache holds %q, want one version and nothing else", left)
	}
}

func TestDownloadWithAWrongChecksumIsRefused(t *testing.T) {
	jar := []byte("not what the checksum is of")
	repo := serve(t, jar, checksum([]byte("something else")))
	cache := useRepository(t, repo.url)
	_, err := installationOf(t.Context())
	if err == nil || !strings.Contains(err.Error(), "checksums do not match") {
		t.Errorf("got %v, want an error about the checksum", err)
	}
	if left := names(t, cache+"/postgresql"); len(left) != 0 {
		t.Errorf("left in the cache: %q", left)
	}
}

// installed finds the programs of this machine, to make an archive of.
func installed(t *testing.T) installation {
	t.Helper()
	// Refused at once: the test must not download what it is to replace.
	useRepository(t, "http://127.0.0.1:1")
	t.Setenv("POOLSQL_TEST_POSTGRES", "")
	in, err := installationOf(t.Context())
	if err != nil {
		t.Skip("the archive is made of installed programs: ", err)
	}
	return in
}

// installationOf starts the server that testdb finds, and asks it where it is.
// testdb is run and not imported: a change of its module's dependencies must not
// make this one's go.mod out of date, which testdb could then not run.
func installationOf(ctx context.Context) (in installation, err error) {
	cmd := exec.CommandContext(ctx, "go", "run", ".")
	cmd.Dir = filepath.Join("..", "serve") // hence in its own module
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return in, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return in, err
	}
	if err := cmd.Start(); err != nil {
		return in, err
	}
	dsn, readErr := bufio.NewReader(stdout).ReadString('\n')
	if readErr == nil {
		in, err = ask(ctx, strings.TrimSpace(dsn))
	}
	stdin.Close() // the server is to end
	if waitErr := cmd.Wait(); waitErr != nil {
		return in, fmt.Errorf("serve: %w\n%s", waitErr, stderr.Bytes())
	}
	return in, errors.Join(readErr, err)
}

func ask(ctx context.Context, dsn string) (in installation, err error) {
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		return in, err
	}
	defer db.Close()
	err = db.QueryRowContext(ctx, `select
		(select setting from pg_config where name = 'BINDIR'),
		(select setting from pg_config where name = 'PKGLIBDIR'),
		(select setting from pg_config where name = 'SHAREDIR')`).Scan(&in.bin, &in.lib, &in.share)
	return in, err
}

// useRepository makes testdb download from the URL, into a cache of its own.
func useRepository(t *testing.T, url string) (cache string) {
	t.Helper()
	// Not t.TempDir, which need not be open to the user that runs the server.
	cache, err := os.MkdirTemp("/tmp", "poolsql-cache-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(cache); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("POOLSQL_TEST_DATABASE_URL", "")
	t.Setenv("POOLSQL_TEST_POSTGRES", "embedded:"+version)
	t.Setenv("POOLSQL_TEST_BINARY_REPOSITORY", url)
	t.Setenv("POOLSQL_TEST_CACHE", cache)
	return cache
}

type repository struct {
	url      string
	requests atomic.Int64
}

func serve(t *testing.T, jar []byte, sum string) *repository {
	t.Helper()
	r := &repository{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.requests.Add(1)
		switch path := req.URL.Path; {
		case !strings.HasPrefix(path, "/io/zonky/test/postgres/embedded-postgres-binaries-") || !strings.Contains(path, "/"+version+"/"):
			http.NotFound(w, req)
		case strings.HasSuffix(path, ".jar"):
			w.Write(jar)
		case strings.HasSuffix(path, ".jar.sha256"):
			w.Write([]byte(sum))
		default:
			http.NotFound(w, req)
		}
	}))
	t.Cleanup(srv.Close)
	r.url = srv.URL
	return r
}

func checksum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}
