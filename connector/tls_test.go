package connector_test

import (
	"crypto/x509"
	"database/sql"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
)

// Each case is refused by a real server, or refuses it, and is told what to do.
func TestARefusalForTLSSaysInOneSentenceWhatIsWrongAndWhatToDo(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	plain := testdb.New(t)
	s := serveTLS(t)
	byName := param{"host", "localhost"}
	authority := param{"sslrootcert", s.authority.file}
	stranger := newAuthority(t, "stranger")
	given := []param{{"sslcert", s.client.certFile}, {"sslkey", s.client.keyFile}}
	const (
		unknown     = `the server's certificate was issued by "CN=authority of the test", which is not trusted here: set sslrootcert to the file`
		unencrypted = "the server does not offer TLS, which sslmode demands: have it switched on there (ssl = on)"
		uncertified = "the server's pg_hba.conf does not let this user in from here, or only with a client certificate: set sslcert and sslkey"
		// Which of the two depends on whether the server's word is read before its end is noticed.
		rejected = "the server does not accept the client certificate: set sslcert and sslkey to one that has not expired" +
			"|" + "the server hung up on TLS, as it does on a client certificate that it does not accept: set sslcert and sslkey to one that has not expired"
	)
	late := s.authority.issue(t, "late client", false, time.Now().Add(-time.Hour), nil)

	for _, c := range []struct {
		name   string
		dsn    string
		params []param
		want   string
		find   any // what errors.As must find
	}{
		{
			"another name", s.dsn, []param{{"sslmode", "verify-full"}, authority},
			`the server's certificate is for "localhost, db.example" and not for "127.0.0.1": connect by a name that is in it`,
			new(x509.HostnameError),
		},
		{
			"verify-full, an authority that is not its own", s.dsn, []param{{"sslmode", "verify-full"}, byName, {"sslrootcert", stranger.file}},
			unknown, new(x509.UnknownAuthorityError),
		},
		{
			"verify-full, the system's authorities", s.dsn, []param{{"sslmode", "verify-full"}, byName},
			unknown, new(x509.UnknownAuthorityError),
		},
		{
			"verify-ca, an authority that is not its own", s.dsn, []param{{"sslmode", "verify-ca"}, {"sslrootcert", stranger.file}},
			unknown, new(x509.UnknownAuthorityError),
		},
		{
			"require with an authority, which verifies too", s.dsn, []param{{"sslmode", "require"}, {"sslrootcert", stranger.file}},
			unknown, new(x509.UnknownAuthorityError),
		},
		{
			"a server without TLS, verify-full", plain.TCPDSN, []param{{"sslmode", "verify-full"}, byName, authority},
			unencrypted, new(*pgconn.ConnectError),
		},
		{
			"a server without TLS, require", plain.TCPDSN, []param{{"sslmode", "require"}},
			unencrypted, new(*pgconn.ConnectError),
		},
		{
			"a server without TLS, direct", plain.TCPDSN, []param{{"sslmode", "require"}, {"sslnegotiation", "direct"}},
			"the server did not answer to TLS without a question first: leave sslnegotiation=direct out", new(*pgconn.ConnectError),
		},
		{
			"no client certificate", s.certified, []param{{"sslmode", "verify-full"}, byName, authority},
			uncertified, new(*pgconn.PgError),
		},
		{
			"no client certificate, sslmode=prefer", s.certified, nil,
			uncertified, new(*pgconn.PgError),
		},
		{
			"a client certificate that has expired", s.certified,
			[]param{{"sslmode", "require"}, {"sslcert", late.certFile}, {"sslkey", late.keyFile}},
			rejected, new(*net.OpError),
		},
		{
			"disable where the server wants TLS", s.encrypted, []param{{"sslmode", "disable"}},
			"the server's pg_hba.conf does not let this user in from here without TLS: set sslmode=verify-full", new(*pgconn.PgError),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			dsn := amended(t, c.dsn, c.params...)
			t.Run("DSN", func(t *testing.T) { refusedFor(t, connector.Config{DSN: dsn}, c.want, c.find) })
			t.Run("ConnConfig", func(t *testing.T) {
				refusedFor(t, connector.Config{ConnConfig: parsedTLS(t, dsn)}, c.want, c.find)
			})
		})
	}

	for _, c := range []struct {
		name   string
		dsn    string
		params []param
		want   bool // whether the server says that it is encrypted
	}{
		{"verify-full by the right name", s.dsn, []param{{"sslmode", "verify-full"}, byName, authority}, true},
		{"verify-ca by another name", s.dsn, []param{{"sslmode", "verify-ca"}, authority}, true},
		{"require, which verifies nothing", s.dsn, []param{{"sslmode", "require"}}, true},
		{"prefer", s.dsn, nil, true},
		{"prefer where there is no TLS", plain.TCPDSN, nil, false},
		{"where TLS is wanted", s.encrypted, []param{{"sslmode", "verify-full"}, byName, authority}, true},
		{"a client certificate", s.certified, append(given, param{"sslmode", "verify-full"}, byName, authority), true},
		{"without a question first", s.dsn, []param{{"sslmode", "verify-full"}, byName, authority, {"sslnegotiation", "direct"}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if strings.Contains(c.name, "question") && s.version < 170000 {
				t.Skip("the server is older than PostgreSQL 17")
			}
			dsn := amended(t, c.dsn, c.params...)
			t.Run("DSN", func(t *testing.T) { letIn(t, connector.Config{DSN: dsn}, c.want) })
			t.Run("ConnConfig", func(t *testing.T) { letIn(t, connector.Config{ConnConfig: parsedTLS(t, dsn)}, c.want) })
		})
	}

	t.Run("expired", func(t *testing.T) {
		dsn := amended(t, s.dsn, param{"sslmode", "verify-full"}, byName, authority)
		ended := time.Now().Add(-time.Hour)
		s.present(t, s.authority.issue(t, "server", true, ended, []string{"localhost"}))
		want := "the server's certificate expired on " + ended.UTC().Format("2006-01-02 15:04 UTC") + ": renew it"
		refusedFor(t, connector.Config{DSN: dsn}, want, new(x509.CertificateInvalidError))
		refusedFor(t, connector.Config{ConnConfig: parsedTLS(t, dsn)}, want, new(x509.CertificateInvalidError))
		refusedFor(t, connector.Config{DSN: amended(t, s.dsn, param{"sslmode", "verify-ca"}, authority)}, want, new(x509.CertificateInvalidError))

		cc := parsedTLS(t, dsn)
		cc.TLSConfig.Time = func() time.Time { return ended.Add(-time.Hour) }
		letIn(t, connector.Config{ConnConfig: cc}, true)
	})
	t.Run("without a name", func(t *testing.T) {
		s.present(t, s.authority.issue(t, "localhost", true, time.Now().Add(time.Hour), nil))
		refusedFor(t, connector.Config{DSN: amended(t, s.dsn, param{"sslmode", "verify-full"}, byName, authority)},
			`the server's certificate names no host (it has no subjectAltName): have it issued anew for "localhost"`, new(x509.HostnameError))
	})
}

// What is not for reasons of TLS has no sentence about TLS, whatever was tried on the way.
func TestAnotherRefusalIsNotBlamedOnTLS(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	plain := testdb.New(t)
	wrongPassword := mustURL(t, plain.TCPDSN)
	wrongPassword.User = url.UserPassword(wrongPassword.User.Username(), "wr0ngs3cret")
	execute(t, plain.DSN, "create role tls_idle nologin password 'idle'")
	defer execute(t, plain.DSN, "drop role tls_idle")
	idle := mustURL(t, plain.TCPDSN) // sslmode=disable
	idle.User = url.UserPassword("tls_idle", "idle")
	stranger := x509.UnknownAuthorityError{}
	hook := parsedTLS(t, plain.TCPDSN)
	hook.AfterNetConnect = func(_ ctx, _ *pgconn.Config, conn net.Conn) (net.Conn, error) { return conn, stranger }
	lookup := parsedTLS(t, amended(t, plain.TCPDSN, param{"host", "db.example"}))
	lookup.LookupFunc = func(ctx, string) ([]string, error) { return nil, stranger }
	dial := parsedTLS(t, plain.TCPDSN)
	dial.DialFunc = func(ctx, string, string) (net.Conn, error) { return nil, stranger }
	for _, c := range []struct {
		name string
		cfg  connector.Config
		find any
	}{
		{"the password, by the way that prefer leaves", connector.Config{DSN: amended(t, wrongPassword.String())}, new(*pgconn.PgError)},
		{"a role that may not log in, of pg_hba.conf's SQLSTATE", connector.Config{DSN: idle.String()}, new(*pgconn.PgError)},
		{"a hook that used TLS with somebody else", connector.Config{ConnConfig: hook}, new(x509.UnknownAuthorityError)},
		{"a resolver that did", connector.Config{ConnConfig: lookup}, new(x509.UnknownAuthorityError)},
		{"a dialer that did", connector.Config{ConnConfig: dial}, new(x509.UnknownAuthorityError)},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := ping(t, c.cfg)
			if err == nil || !errors.As(err, c.find) {
				t.Fatalf("%v, want one with a %T in it", err, c.find)
			}
			if c.cfg.DSN == idle.String() && !strings.Contains(err.Error(), "28000") {
				t.Error(err)
			}
			if text := err.Error(); strings.Contains(text, "the server's") || strings.Contains(text, "the server does not") {
				t.Error(text)
			}
		})
	}
}

// refusedFor expects the error of a ping to begin with one of the sentences that begin so, beside who says it.
func refusedFor(t *testing.T, cfg connector.Config, want string, find any) {
	t.Helper()
	err := ping(t, cfg)
	if err == nil {
		t.Fatal("let in")
	}
	text := err.Error()
	if !slices.ContainsFunc(strings.Split(want, "|"), func(sentence string) bool {
		before, after, found := strings.Cut(text, "cannot open: "+sentence)
		return found && strings.HasPrefix(before, "poolsql: pool ") && strings.Contains(after, "failed to connect to")
	}) {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	if !errors.As(err, find) {
		t.Errorf("no %T in %v", find, err)
	}
	cc := cfg.ConnConfig
	if cc == nil {
		cc = parsedTLS(t, cfg.DSN)
	}
	if strings.Contains(text, cc.Password) {
		t.Errorf("the password is in %s", text)
	}
}

// letIn expects a connection on which the server finds TLS, or finds none.
func letIn(t *testing.T, cfg connector.Config, encrypted bool) {
	t.Helper()
	onPool(t, cfg, func(db *sql.DB) {
		var got bool
		err := db.QueryRowContext(t.Context(), "select ssl from pg_stat_ssl where pid = pg_backend_pid()").Scan(&got)
		if err != nil || got != encrypted {
			t.Errorf("encrypted is %t with error %v, want %t", got, err, encrypted)
		}
	})
}

func ping(t *testing.T, cfg connector.Config) (err error) {
	t.Helper()
	onPool(t, cfg, func(db *sql.DB) { err = db.PingContext(t.Context()) })
	return err
}

// onPool runs f on a pool, which is gone afterwards.
func onPool(t *testing.T, cfg connector.Config, f func(*sql.DB)) {
	t.Helper()
	c := connector.NewConnector(cfg)
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	defer func() { db.Close(); <-c.Done() }()
	f(db)
}

func parsedTLS(t *testing.T, dsn string) *pgx.ConnConfig {
	t.Helper()
	cc, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return cc
}

func mustURL(t *testing.T, dsn string) *url.URL {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// param is a setting of a DSN.
type param struct{ key, value string }

// amended returns dsn with these settings, and without sslmode where none of them is that.
func amended(t *testing.T, dsn string, params ...param) string {
	t.Helper()
	u := mustURL(t, dsn)
	q := u.Query()
	q.Del("sslmode")
	for _, p := range params {
		q.Set(p.key, p.value)
	}
	u.RawQuery = q.Encode()
	return u.String()
}
