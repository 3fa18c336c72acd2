package presets_test

import (
	"strings"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/presets"
)

func TestParametersInTheURLWinOverThePresetAndVariablesOverThem(t *testing.T) {
	const url = "postgres://app@localhost/shop?pool_max_conns=6&sslmode=disable&pool_acquire_timeout=none&pool_statement_timeout=5s"
	s := read(t, presets.Production(), map[string]string{"DATABASE_URL": url})
	if s.Config.DSN != "postgres://app@localhost/shop?sslmode=disable" {
		t.Errorf("the DSN is %s", s.Config.DSN)
	}
	if s.Config.MaxConns != 6 || s.Config.MinConns != 6 || s.Config.AcquireTimeout != connector.None || s.Config.StatementTimeout != 5*time.Second ||
		s.Config.MaxConnIdleTime != presets.Production().MaxConnIdleTime {
		t.Errorf("the environment makes %v", s.Config)
	}
	s = read(t, presets.Production(), map[string]string{
		"DATABASE_URL": url, "POOL_MAX_CONNECTIONS": "12", "POOL_STATEMENT_TIMEOUT_MS": "0", "DATABASE_HOST": "db",
	})
	if s.Config.MaxConns != 12 || s.Config.StatementTimeout != 0 || mustParse(t, s.Config.DSN).Host != "db" {
		t.Errorf("with variables of their own it makes %v", s.Config)
	}
	c := connector.NewConnector(s.Config)
	if got := c.Config(); c.Err() != nil || got.StatementTimeout != 0 || got.MaxConns != 12 {
		t.Errorf("in force are %v, %v", got, c.Err())
	}
	s = read(t, presets.Production(), map[string]string{"DATABASE_URL": url, "POOL_PRESET": "development"}, func(s *presets.Settings) {
		s.Config.MaxConns = 7
	})
	if s.Config.MaxConns != 7 || s.Config.MaxConnIdleTime != presets.Development().MaxConnIdleTime {
		t.Errorf("with an override it makes %v", s.Config)
	}
}

func TestWrongParametersInTheURLAreToldAllAndOnce(t *testing.T) {
	environment(t, map[string]string{
		"DATABASE_URL": "postgres://app:" + textSecret + "@localhost/shop?pool_max_con=6&pool_acquire_timeout=" + textSecret, "POOL_MIN_CONNECTIONS": "x",
	})
	_, err := presets.FromEnvironment(presets.Production())
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"DATABASE_URL: pool_max_con: there is no such pool parameter; did you mean pool_max_conns?",
		"DATABASE_URL: pool_acquire_timeout: want a duration", "POOL_MIN_CONNECTIONS: want",
	} {
		if strings.Count(err.Error(), want) != 1 {
			t.Errorf("%q is not told once:\n%v", want, err)
		}
	}
	if n := len(variableErrors(err)); n != 3 || strings.Contains(err.Error(), textSecret) || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("%d variables are wrong:\n%v", n, err)
	}
}
