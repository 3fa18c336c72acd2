package presets_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/presets"
)

func TestTLSVerifiesUnlessTheUserSaysOtherwise(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the server's files are written by a shell of Unix")
	}
	testdb.NoLeaks(t)
	database := testdb.Private(t)
	authority := serveTLS(t, database)
	byName := with(parts(t, database), "DATABASE_HOST", "localhost")
	byAddress := with(byName, "DATABASE_HOST", "127.0.0.1") // which is not in the certificate
	const refused, plain, encrypted = "refused for its authority", "plain", "encrypted"
	const otherName = "refused for its name"
	for _, c := range []struct {
		name string
		vars map[string]string
		want string
	}{
		{"true, the authority known", with(byName, "DATABASE_SSL", "true", "DATABASE_SSL_ROOT_CERT", authority), encrypted},
		{"true, the authority by PGSSLROOTCERT", with(byName, "DATABASE_SSL", "True", "PGSSLROOTCERT", authority), encrypted},
		{"true, the authority unknown", with(byName, "DATABASE_SSL", "true"), refused},
		{"true, the system's authorities", with(byName, "DATABASE_SSL", "true", "DATABASE_SSL_ROOT_CERT", "system"), refused},
		{"true, another name", with(byAddress, "DATABASE_SSL", "true", "DATABASE_SSL_ROOT_CERT", authority), otherName},
		{"true over PGSSLMODE", with(byName, "DATABASE_SSL", "true", "PGSSLMODE", "disable"), refused},
		{"true over the URL", with(byName, "DATABASE_SSL", "true", "DATABASE_URL", "postgres://h/d?sslmode=disable"), refused},
		{"true over the URL's alias", with(byName, "DATABASE_SSL", "true", "DATABASE_URL", "postgres://h/d?ssl=true"), refused},
		{"verify-full", with(byName, "DATABASE_SSL", "verify-full"), refused},
		{"verify-ca, the authority unknown", with(byName, "DATABASE_SSL", "verify-ca"), refused},
		{"verify-ca, another name", with(byAddress, "DATABASE_SSL", "verify-ca", "DATABASE_SSL_ROOT_CERT", authority), encrypted},
		{"require", with(byAddress, "DATABASE_SSL", "require"), encrypted},
		{"prefer", with(byAddress, "DATABASE_SSL", "prefer"), encrypted},
		{"allow", with(byAddress, "DATABASE_SSL", "allow"), plain},
		{"disable", with(byName, "DATABASE_SSL", "disable"), plain},
		{"false", with(byName, "DATABASE_SSL", "false", "PGSSLMODE", "require"), plain},
		{"nothing", byName, encrypted},
		{"PGSSLMODE", with(byName, "PGSSLMODE", "verify-full"), refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			db, _ := open(t, read(t, presets.Serverless(), c.vars).Config)
			if got := encryption(t, db); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestServerWithoutTLSIsRefusedWhereTLSIsWanted(t *testing.T) {
	testdb.NoLeaks(t)
	vars := with(parts(t, testdb.New(t)), "DATABASE_SSL", "true")
	db, _ := open(t, read(t, presets.Serverless(), vars).Config)
	if got := encryption(t, db); got != "refused for want of TLS" {
		t.Errorf("the connection is %s", got)
	}
}

// encryption returns how the server sees the connection of db, or why there is none.
func encryption(t *testing.T, db *sql.DB) string {
	t.Helper()
	if err := db.PingContext(t.Context()); err != nil {
		var wrongName x509.HostnameError
		var unknown x509.UnknownAuthorityError
		switch {
		case errors.As(err, &wrongName):
			return "refused for its name"
		case errors.As(err, &unknown):
			return "refused for its authority"
		case strings.Contains(err.Error(), "server refused TLS"):
			return "refused for want of TLS"
		}
		t.Fatal(err)
	}
	if ask(t, db, "select ssl::text from pg_stat_ssl where pid = pg_backend_pid()") == "true" {
		return "encrypted"
	}
	return "plain"
}

// serveTLS has the server encrypt, with a certificate for localhost, and returns the file of the authority that signed it.
func serveTLS(t *testing.T, database *testdb.DB) string {
	t.Helper()
	certificate, key := selfSigned(t)
	conn, err := pgx.Connect(t.Context(), database.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	// The server's own hand writes the files, into its data directory, so that they are its user's and nobody else reads
	// the key.
	for file, text := range map[string][]byte{"server.crt": certificate, "server.key": key} {
		_, err := conn.Exec(t.Context(), "copy (select unnest(string_to_array('"+string(text)+"', E'\\n'))) to program 'umask 077; cat > "+file+"'")
		if err != nil {
			t.Fatalf("the server cannot be given a certificate: %v", err)
		}
	}
	for _, statement := range []string{"alter system set ssl = on", "select pg_reload_conf()"} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the server does not encrypt", func() bool {
		cc := mustParse(t, database.TCPDSN+"&sslmode=require")
		conn, err := pgx.ConnectConfig(t.Context(), cc)
		if err != nil {
			return false
		}
		return conn.Close(t.Context()) == nil
	})
	file := filepath.Join(t.TempDir(), "authority.pem")
	if err := os.WriteFile(file, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// selfSigned returns a certificate for localhost that is its own authority, and its key, in PEM form.
func selfSigned(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}
