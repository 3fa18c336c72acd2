package connector_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector"
)

const goodDSN = "postgres://app:s3cr3t@localhost:1/shop"

func TestValidateNamesEveryWrongFieldAtOnce(t *testing.T) {
	cfg := connector.Config{
		DSN: goodDSN, ConnConfig: &pgx.ConnConfig{},
		MaxConns: -1, MinConns: -2, MaxDials: -3, HighReserve: -4, MaxWaiting: -5, AgingShare: 1,
		MaxConnLifetime: -6, MaxConnLifetimeJitter: -7, MaxConnIdleTime: -8, HealthCheckPeriod: -9,
		AcquireTimeout: -10, ConnectTimeout: -11, StatementTimeout: -12, EndTimeout: -13,
	}
	err := cfg.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, field := range []string{
		"DSN and ConnConfig", "MaxConns is -1", "MinConns is -2", "MaxDials is -3", "HighReserve is -4",
		"MaxWaiting is -5", "AgingShare is 1", "MaxConnLifetime is", "MaxConnLifetimeJitter is", "MaxConnIdleTime is",
		"HealthCheckPeriod is", "AcquireTimeout is", "ConnectTimeout is", "StatementTimeout is", "EndTimeout is",
	} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("the error does not tell of %q:\n%v", field, err)
		}
	}
}

func TestValidateRefusesWhatContradictsItself(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  connector.Config
		want string
	}{
		"nothing to connect to":  {connector.Config{}, "none of DSN, ConnConfig and Connector"},
		"min above max":          {connector.Config{DSN: goodDSN, MaxConns: 3, MinConns: 4}, "MinConns is 4"},
		"min above default max":  {connector.Config{DSN: goodDSN, MinConns: 4096}, "MinConns is 4096"},
		"reserve takes all":      {connector.Config{DSN: goodDSN, MaxConns: 3, HighReserve: 3}, "HighReserve is 3"},
		"jitter above lifetime":  {connector.Config{DSN: goodDSN, MaxConnLifetime: time.Minute, MaxConnLifetimeJitter: time.Hour}, "MaxConnLifetimeJitter is"},
		"timeout below server's": {connector.Config{DSN: goodDSN, StatementTimeout: time.Microsecond}, "StatementTimeout is"},
		"config not from parse":  {connector.Config{ConnConfig: &pgx.ConnConfig{}}, "pgx.ParseConfig"},
		"nil inner connector":    {connector.Config{Connector: (*nilConnector)(nil)}, "nil *connector_test.nilConnector"},
		"hooks with foreign":     {connector.Config{Connector: &nilConnector{}, AfterConnect: func(context.Context, *pgx.Conn) error { return nil }}, "AfterConnect is set beside Connector"},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.cfg.Validate()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one that tells %q", err, c.want)
			}
			if _, openErr := connector.Open(c.cfg); openErr == nil || openErr.Error() != err.Error() {
				t.Errorf("Open says %v, Validate %v", openErr, err)
			}
			db := sql.OpenDB(connector.NewConnector(c.cfg))
			defer db.Close()
			if useErr := db.Ping(); useErr == nil || useErr.Error() != err.Error() {
				t.Errorf("the first use says %v, Validate %v", useErr, err)
			}
		})
	}
}

type nilConnector struct{}

func (*nilConnector) Connect(context.Context) (driver.Conn, error) { return nil, nil }
func (*nilConnector) Driver() driver.Driver                        { return nil }

func TestValidateShowsNoSecretOfADSNThatDoesNotParse(t *testing.T) {
	for _, dsn := range []string{
		"postgres://app:s3cr3t@localhost:notaport/shop",
		"postgres://app:s3cr3t@[::1/shop",
		"postgres://app:s3cr3t%zz@localhost/shop",
		"host=localhost password=s3cr3t port=many",
		"host=localhost password = s3cr3t dbname",
		"host=localhost password='s3cr3t sslmode=disable",
		"host=localhost password=s3cr3t sslmode=whatever",
		"://app:s3cr3t@localhost",
		"postgres://s3cr3t`x:y@host:port",
		"connect_timeout=s3cr3t",
	} {
		cfg := connector.Config{DSN: dsn}
		err := cfg.Validate()
		if err == nil {
			t.Errorf("%q: no error", dsn)
			continue
		}
		if strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%q: the error shows the secret: %v", dsn, err)
		}
		if !strings.Contains(err.Error(), "DSN does not parse") {
			t.Errorf("%q: unclear: %v", dsn, err)
		}
	}
}

func TestConfigIsCopiedAndItsDefaultsAreSet(t *testing.T) {
	parsed, err := pgx.ParseConfig(goodDSN)
	if err != nil {
		t.Fatal(err)
	}
	cfg := connector.Config{ConnConfig: parsed, StatementTimeout: 3 * time.Second, AcquireTimeout: connector.None}
	c := connector.NewConnector(cfg)
	parsed.Host = "elsewhere"
	got := c.Config()
	if got.ConnConfig.Host != "localhost" {
		t.Errorf("a change to the caller's configuration came through: host %q", got.ConnConfig.Host)
	}
	if parsed.RuntimeParams["statement_timeout"] != "" {
		t.Errorf("statement_timeout is %q in the caller's configuration", parsed.RuntimeParams["statement_timeout"])
	}
	if got.Name != connector.DefaultName || got.MaxConns < 4 || got.AcquireTimeout != connector.None ||
		got.ConnectTimeout != connector.DefaultConnectTimeout || got.MaxConnLifetime != connector.DefaultMaxConnLifetime ||
		got.MaxConnLifetimeJitter != connector.DefaultMaxConnLifetime/10 || got.MaxConnIdleTime != connector.DefaultMaxConnIdleTime {
		t.Errorf("defaults: %+v", got)
	}
}
