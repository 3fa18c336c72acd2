package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// measuredModules are those whose version decides what the numbers mean.
var measuredModules = []struct{ name, path string }{
	{"pgx", "github.com/jackc/pgx/v5"},
	{"puddle", "github.com/jackc/puddle/v2"},
	{"otelsql", "github.com/XSAM/otelsql"},
	{"otel SDK", "go.opentelemetry.io/otel/sdk/metric"},
}

// describeMachine returns the line without which the tables could not be compared with any others.
func describeMachine(ctx context.Context, l *lab, rounds string) (string, error) {
	server, err := l.serverVersion(ctx)
	if err != nil {
		return "", err
	}
	if server == "" {
		server = "not used"
	}
	line := fmt.Sprintf("%s %s/%s, %d CPUs (GOMAXPROCS %d), PostgreSQL: %s, rounds: %s",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.GOMAXPROCS(0), server, rounds)
	if l.quick {
		line += " (quick: the numbers mean nothing)"
	}
	return line + moduleVersions(), nil
}

func moduleVersions() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	var b strings.Builder
	for _, module := range measuredModules {
		for _, dep := range info.Deps {
			if dep.Path == module.path {
				fmt.Fprintf(&b, ", %s %s", module.name, dep.Version)
			}
		}
	}
	return b.String()
}
