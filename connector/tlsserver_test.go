package connector_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/internal/testdb"
)

type ctx = context.Context

// An authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // its certificate
}

// issued is a certificate and its key, in files and as they stand there.
type issued struct {
	certFile, keyFile string
	certPEM, keyPEM   []byte
	serial            *big.Int
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{key: newKey(t)}
	a.cert = &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		SerialNumber: serial(t), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.file = filepath.Join(t.TempDir(), "authority.pem")
	write(t, a.file, a.sign(t, a.cert, a.key))
	return a
}

// issue makes a certificate for a server or a client that is valid until then.
func (a *authority) issue(t *testing.T, name string, server bool, until time.Time, hosts []string) *issued {
	t.Helper()
	usage := x509.ExtKeyUsageClientAuth
	if server {
		usage = x509.ExtKeyUsageServerAuth
	}
	key := newKey(t)
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: hosts, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: until,
		SerialNumber: serial(t), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := &issued{
		certFile: filepath.Join(dir, "cert.pem"), keyFile: filepath.Join(dir, "key.pem"), serial: template.SerialNumber,
		certPEM: a.sign(t, template, key), keyPEM: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
	}
	write(t, c.certFile, c.certPEM)
	write(t, c.keyFile, c.keyPEM)
	return c
}

func (a *authority) sign(t *testing.T, template *x509.Certificate, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func serial(t *testing.T) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func write(t *testing.T, file string, text []byte) {
	t.Helper()
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A tlsServer encrypts, with a certificate for localhost. Its DSNs are through TCP.
type tlsServer struct {
	version   int
	authority *authority
	client    *issued
	admin     string // by the Unix socket, where there is no TLS
	dsn       string // a database of which nothing is demanded
	encrypted string // one that demands TLS
	certified string // one that demands a certificate of the client too
}

func serveTLS(t *testing.T) *tlsServer {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the server's files are written by a shell of Unix")
	}
	database := testdb.Private(t)
	t.Log(database.Server.Name())
	s := &tlsServer{
		version: database.Server.Version(), authority: newAuthority(t, "authority of the test"),
		admin: database.DSN, dsn: database.TCPDSN,
	}
	s.client = s.authority.issue(t, "client", false, time.Now().Add(time.Hour), nil)
	names := [2]string{}
	for i, dsn := range []*string{&s.encrypted, &s.certified} {
		created, err := database.Server.CreateDatabase(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		names[i] = parsedTLS(t, created).Database
		u := mustURL(t, database.TCPDSN)
		u.Path = "/" + names[i]
		*dsn = u.String()
	}
	s.writeFile(t, "authority.crt", s.authority.sign(t, s.authority.cert, s.authority.key))
	s.writeFile(t, "pg_hba.conf", fmt.Appendf(nil, "local all all scram-sha-256\n"+
		"hostnossl %s,%s all all reject\nhostssl %[2]s all all scram-sha-256 clientcert=verify-ca\nhost all all all scram-sha-256\n", names[0], names[1]))
	s.execute(t, "alter system set ssl_ca_file = 'authority.crt'")
	s.execute(t, "alter system set ssl = on")
	s.present(t, s.authority.issue(t, "server", true, time.Now().Add(time.Hour), []string{"localhost", "db.example"}))
	return s
}

// present has the server show this certificate from now on.
func (s *tlsServer) present(t *testing.T, c *issued) {
	t.Helper()
	s.writeFile(t, "server.crt", c.certPEM)
	s.writeFile(t, "server.key", c.keyPEM)
	s.execute(t, "select pg_reload_conf()")
	cc := parsedTLS(t, amended(t, s.dsn, param{"sslmode", "require"}))
	var shown *big.Int
	cc.TLSConfig.VerifyConnection = func(state tls.ConnectionState) error {
		shown = state.PeerCertificates[0].SerialNumber
		return nil
	}
	await(t, func() bool {
		conn, err := pgx.ConnectConfig(t.Context(), cc)
		return err == nil && conn.Close(t.Context()) == nil && shown.Cmp(c.serial) == 0
	})
}

// writeFile has the server write one of its files, so that it is its account's and nobody else reads it.
func (s *tlsServer) writeFile(t *testing.T, name string, text []byte) {
	t.Helper()
	s.execute(t, "copy (select unnest(string_to_array(rtrim('"+string(text)+"', E'\\n'), E'\\n'))) to program 'umask 077; cat > "+name+"'")
}

func (s *tlsServer) execute(t *testing.T, statement string) {
	t.Helper()
	execute(t, s.admin, statement)
}

func execute(t *testing.T, dsn, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}
