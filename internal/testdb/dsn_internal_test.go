package testdb

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestDatabaseIsReplacedInEveryFormOfDSN(t *testing.T) {
	for _, dsn := range []string{
		"postgres://u:p%40ss@example.test:5433/old?sslmode=disable",
		"postgresql://u:p%40ss@example.test:5433?sslmode=disable",
		"postgres:///old?host=example.test&port=5433&user=u&password=p%40ss&sslmode=disable",
		"postgres://u:p%40ss@example.test:5433/old?dbname=older&sslmode=disable",
		"host=example.test port=5433 user=u password=p@ss dbname=old sslmode=disable",
		"host=example.test port=5433 user=u password=p@ss sslmode=disable",
	} {
		changed, err := withDatabase(dsn, "new")
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		cfg, err := pgx.ParseConfig(changed)
		if err != nil {
			t.Errorf("%s: %v", dsn, err)
			continue
		}
		if cfg.Database != "new" || cfg.Host != "example.test" || cfg.Port != 5433 || cfg.User != "u" || cfg.Password != "p@ss" {
			t.Errorf("%s became %s", dsn, changed)
		}
	}
}

func TestUnreadableDSNIsNotQuoted(t *testing.T) {
	_, err := withDatabase("postgres://u:secret@%zz/", "new")
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v, want an error without the password", err)
	}
}
