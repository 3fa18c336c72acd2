package prometheus

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// startWithin is how long Prometheus may take to be ready.
const startWithin = 30 * time.Second

// client keeps no connections, which would be left when a test ends.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// A Server is a Prometheus that runs. Safe for concurrent use.
type Server struct {
	url string
	dir string
}

// Config is what a [Server] does.
type Config struct {
	// Every is the time between two scrapes, and between two evaluations of the rules.
	Every time.Duration
	// Job is the label of that name of what is scraped.
	Job string
	// Targets are what is scraped, as host:port.
	Targets []string
	// Rules are the texts of rule files.
	Rules [][]byte
}

// Start starts a Prometheus on a port of its own, and ends it with the test. It keeps exemplars.
func Start(t testing.TB, cfg Config) *Server {
	t.Helper()
	path, err := program("prometheus")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{dir: t.TempDir()}
	if err := s.configure(cfg); err != nil {
		t.Fatal(err)
	}
	if output, err := Promtool(t.Context(), nil, "check", "config", s.configFile()); err != nil {
		t.Fatalf("promtool check config: %v\n%s", err, output)
	}
	address := freeAddress(t)
	s.url = "http://" + address
	s.run(t, path, address)
	return s
}

func (s *Server) configFile() string { return filepath.Join(s.dir, "prometheus.yml") }

// configure writes the configuration and the rules.
func (s *Server) configure(cfg Config) error {
	var files []string
	for i, rules := range cfg.Rules {
		name := filepath.Join(s.dir, fmt.Sprintf("rules%d.yml", i))
		if err := os.WriteFile(name, rules, 0o600); err != nil {
			return err
		}
		files = append(files, name)
	}
	every := fmt.Sprintf("%dms", cfg.Every.Milliseconds())
	content, err := yaml.Marshal(map[string]any{
		"global":     map[string]any{"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
		"rule_files": files,
		"scrape_configs": []any{map[string]any{
			"job_name": cfg.Job, "static_configs": []any{map[string]any{"targets": cfg.Targets}},
		}},
	})
	if err != nil {
		return err
	}
	return os.WriteFile(s.configFile(), content, 0o600)
}

// run starts the program under a shell that ends it when its input ends: also when the test is killed.
func (s *Server) run(t testing.TB, path, address string) {
	t.Helper()
	const untilInputEnds = `"$@" & pid=$!; cat >/dev/null; kill "$pid"; wait "$pid"`
	cmd := exec.Command("sh", "-c", untilInputEnds, "sh", path,
		"--config.file="+s.configFile(), "--storage.tsdb.path="+filepath.Join(s.dir, "data"),
		"--web.listen-address="+address, "--enable-feature=exemplar-storage", "--log.level=warn")
	logPath := filepath.Join(s.dir, "log")
	logFile, err := os.Create(logPath)
	if err != nil {
		t.Fatal(err)
	}
	defer logFile.Close() // the child has its own
	cmd.Stdout, cmd.Stderr = logFile, logFile
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = input.Close()
		_ = cmd.Wait() // a program that was ended by a signal has failed
	})
	if err := s.awaitReady(t.Context()); err != nil {
		log, _ := os.ReadFile(logPath)
		t.Fatalf("start Prometheus: %v\n%s", err, log)
	}
}

func (s *Server) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		err := s.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *Server) ready(ctx context.Context) error {
	_, err := s.fetch(ctx, "/-/ready")
	return err
}

// fetch gets a page of the server.
func (s *Server) fetch(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(body)))
	}
	return body, err
}

// freeAddress returns one that nobody listens at. Somebody could come before Prometheus does; then the start fails.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
