package observability_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"

	"github.com/poolsql/poolsql/internal/observability/dashboard"
	"github.com/poolsql/poolsql/internal/observability/prometheus"
)

const example = "examples/observability"

// project reads the example's compose file as docker compose does: by its schema, and with every name resolved.
func project(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(root(t), example, "compose.yaml")})
	if err != nil {
		t.Fatal(err)
	}
	p, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var pinned = regexp.MustCompile(`^[a-z/]+:v?[0-9]+\.[0-9]+(\.[0-9]+)?(-[a-z]+)?$`)

func TestTheComposeFileIsWhatComposeReads(t *testing.T) {
	p := project(t)
	if len(p.Services) != 4 {
		t.Errorf("%d services", len(p.Services))
	}
	for name, s := range p.Services {
		if !pinned.MatchString(s.Image) {
			t.Errorf("the image of %s is not of one version: %s", name, s.Image)
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s listens on %q", name, port.HostIP)
			}
		}
		for _, v := range s.Volumes {
			if v.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(v.Source); err != nil {
				t.Errorf("%s mounts what is not there: %v", name, err)
			}
			if !v.ReadOnly {
				t.Errorf("%s may write to %s", name, v.Source)
			}
		}
	}
}

// mounted returns the file on this side of a path in a service.
func mounted(t *testing.T, s types.ServiceConfig, path string) string {
	t.Helper()
	for _, v := range s.Volumes {
		if rest, ok := strings.CutPrefix(path, v.Target); ok && v.Type == types.VolumeTypeBind {
			return v.Source + rest
		}
	}
	t.Fatalf("%s has nothing at %s", s.Name, path)
	return ""
}

func TestThePartsOfTheExampleFindEachOther(t *testing.T) {
	p := project(t)
	grafana, prometheusService, app := p.Services["grafana"], p.Services["prometheus"], p.Services["app"]
	read := func(path string, into any) {
		t.Helper()
		text, err := os.ReadFile(path)
		if err == nil {
			err = yaml.Unmarshal(text, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}

	home := grafana.Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
	if got, want := mounted(t, grafana, *home), filepath.Join(root(t), dashboard.Path); got != want {
		t.Errorf("Grafana begins with %s, want %s", got, want)
	}
	var boards struct {
		Providers []struct {
			Options struct{ Path string }
		}
	}
	read(mounted(t, grafana, "/etc/grafana/provisioning/dashboards/poolsql.yml"), &boards)
	if got := mounted(t, grafana, boards.Providers[0].Options.Path); got != filepath.Join(root(t), "otel", "grafana") {
		t.Errorf("Grafana looks for dashboards in %s", got)
	}
	var sources struct {
		DataSources []struct{ Type, URL string } `yaml:"datasources"`
	}
	read(mounted(t, grafana, "/etc/grafana/provisioning/datasources/prometheus.yml"), &sources)
	if s := sources.DataSources[0]; s.Type != "prometheus" || s.URL != "http://"+prometheusService.Name+":9090" {
		t.Errorf("Grafana asks %+v", s)
	}
	var scrapes struct {
		Configs []struct {
			Static []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	read(mounted(t, prometheusService, "/etc/prometheus/prometheus.yml"), &scrapes)
	target := scrapes.Configs[0].Static[0].Targets[0]
	if port := app.Ports[0].Target; target != fmt.Sprintf("%s:%d", app.Name, port) || !strings.Contains(app.Command[2], fmt.Sprintf(":%d", port)) {
		t.Errorf("Prometheus scrapes %s, and the program listens on %d: %q", target, port, app.Command)
	}
	if _, ok := p.Services["postgres"]; !ok || !strings.Contains(app.Command[2], "@postgres/") {
		t.Errorf("the program looks for its database elsewhere: %q", app.Command)
	}
}

// TestPromtoolAcceptsTheExamplesConfiguration puts the rules where the container has them.
func TestPromtoolAcceptsTheExamplesConfiguration(t *testing.T) {
	service := project(t).Services["prometheus"]
	etc := t.TempDir()
	config, err := os.ReadFile(mounted(t, service, "/etc/prometheus/prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(etc, "prometheus.yml"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(etc, "rules"), os.DirFS(mounted(t, service, "/etc/prometheus/rules"))); err != nil {
		t.Fatal(err)
	}
	output, err := prometheus.Promtool(t.Context(), nil, "check", "config", filepath.Join(etc, "prometheus.yml"))
	if err != nil || strings.Count(output, "rules found") != 2 {
		t.Errorf("%v\n%s", err, output)
	}
}
