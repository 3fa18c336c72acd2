package presets_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/presets"
)

func TestARefusalForTLSNamesWhatToDoByTheEnvironmentToo(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the server's files are written by a shell of Unix")
	}
	testdb.NoLeaks(t)
	encrypted := testdb.Private(t)
	authority := serveTLS(t, encrypted)
	verified := with(parts(t, encrypted), "DATABASE_SSL", "true")
	for _, c := range []struct {
		name string
		vars map[string]string
		want string
	}{
		{
			"the authority unknown", with(verified, "DATABASE_HOST", "localhost"),
			`the server's certificate was issued by "CN=localhost", which is not trusted here: set sslrootcert`,
		},
		{
			"another name", with(verified, "DATABASE_SSL_ROOT_CERT", authority),
			`the server's certificate is for "localhost" and not for "127.0.0.1": connect by a name that is in it`,
		},
		{"no TLS there", with(parts(t, testdb.New(t)), "DATABASE_SSL", "true"), "the server does not offer TLS, which sslmode demands: have it switched on"},
	} {
		t.Run(c.name, func(t *testing.T) {
			db, _ := open(t, read(t, presets.Serverless(), c.vars).Config)
			err := db.PingContext(t.Context())
			if err == nil || !strings.Contains(err.Error(), "cannot open: "+c.want) {
				t.Fatalf("got  %v\nwant %s", err, c.want)
			}
			if strings.Contains(err.Error(), c.vars["DATABASE_PASSWORD"]) {
				t.Errorf("the password is in %v", err)
			}
		})
	}
}
