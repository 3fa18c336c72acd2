package connector

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// An explained error is one of pgx's with a sentence in front of it that says what is wrong and what to do.
type explained struct {
	what string
	err  error
}

func (e *explained) Error() string { return e.what + ": " + e.err.Error() }

func (e *explained) Unwrap() error { return e.err }

// explain adds a sentence to the error of a connection that could not be opened for reasons of TLS. pgx tells what crypto/x509
// or the server said, which does not say which setting is wrong, nor on which side. Other errors it returns as they are.
func explain(err error) error {
	var failed *pgconn.ConnectError
	if !errors.As(err, &failed) {
		return err
	}
	attempts := attemptsOf(failed)
	for _, attempt := range attempts {
		if what := judge(attempt); what != "" {
			return &explained{what, err}
		}
	}
	if what := disagreement(failed.Config, attempts); what != "" {
		return &explained{what, err}
	}
	return err
}

// attemptsOf returns the errors of those of pgx's attempts that got as far as to talk to a server: one for each address of
// each host, and for sslmode=prefer and allow two. What a hook of the user's failed with is none of them: it may have used
// TLS with somebody else.
func attemptsOf(failed *pgconn.ConnectError) []error {
	joined, ok := failed.Unwrap().(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	var attempts []error
	for _, err := range joined.Unwrap() {
		err = errors.Unwrap(err) // the address
		if err == nil {
			continue
		}
		// pgx shakes hands when it writes the first message. In TLS 1.3 the server judges the client after that.
		for _, stage := range []string{"tls error: ", atStartup, "failed to receive message: ", "server error: "} {
			if strings.HasPrefix(err.Error(), stage) {
				attempts = append(attempts, err)
			}
		}
	}
	return attempts
}

// atStartup is where pgx shakes hands.
const atStartup = "failed to write startup message: "

// judge says what is wrong with a certificate, "" if none is to blame.
func judge(attempt error) string {
	var wrongName x509.HostnameError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var network *net.OpError
	switch {
	case errors.As(attempt, &wrongName):
		return anotherHost(wrongName)
	case errors.As(attempt, &unknown):
		return fmt.Sprintf("the server's certificate was issued by %s, which is not trusted here: set sslrootcert to the file "+
			"with the certificate of that authority", issuerOf(unknown.Cert))
	case errors.As(attempt, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != nil:
		return outOfTime(invalid.Cert)
	case errors.As(attempt, &invalid):
		return "the server's certificate cannot prove who the server is: have it issued anew"
	case errors.As(attempt, &network) && network.Op == "remote error" && strings.Contains(network.Err.Error(), "certificate"):
		// crypto/tls does not export its type of what the other side complains of.
		return "the server does not accept the client certificate: " + setCertificate
	}
	return ""
}

// namesShown bounds how many names of a certificate are told. A certificate of a cloud may have hundreds.
const namesShown = 4

// anotherHost says for which hosts a certificate is.
func anotherHost(e x509.HostnameError) string {
	var names []string
	if e.Certificate != nil {
		names = append(names, e.Certificate.DNSNames...)
		for _, address := range e.Certificate.IPAddresses {
			names = append(names, address.String())
		}
	}
	if len(names) == 0 {
		return fmt.Sprintf("the server's certificate names no host (it has no subjectAltName): have it issued anew for %q", e.Host)
	}
	more := ""
	if len(names) > namesShown {
		more = fmt.Sprintf(" and %d more", len(names)-namesShown)
		names = names[:namesShown]
	}
	return fmt.Sprintf("the server's certificate is for %q%s and not for %q: connect by a name that is in it, or have it issued "+
		"anew for this one", strings.Join(names, ", "), more, e.Host)
}

// issuerOf tells whose authority is to be trusted. The name is as the certificate has it, which nobody has verified.
func issuerOf(cert *x509.Certificate) string {
	if cert == nil {
		return "an authority"
	}
	return strconv.Quote(cert.Issuer.String())
}

// outOfTime says what is wrong with the time of a certificate, which may be the server's or an authority's.
func outOfTime(cert *x509.Certificate) string {
	const form = "2006-01-02 15:04 UTC"
	whose := "the server's certificate"
	if cert.IsCA {
		whose = "the certificate of the authority " + strconv.Quote(cert.Subject.String())
	}
	if time.Now().Before(cert.NotBefore) {
		return fmt.Sprintf("%s is not valid before %s: set the clock of this machine right, or have the certificate issued anew",
			whose, cert.NotBefore.UTC().Format(form))
	}
	return fmt.Sprintf("%s expired on %s: renew it, or set the clock of this machine right", whose, cert.NotAfter.UTC().Format(form))
}

// setCertificate is what to do when a server wants another client certificate.
const setCertificate = "set sslcert and sslkey to one that has not expired and was issued by an authority that the server " +
	"trusts (its ssl_ca_file)"

// errRefusedTLS is how pgx says that the server answered no.
const errRefusedTLS = "tls error: server refused TLS connection"

// disagreement says where the two sides want different things of TLS, "" if they do not.
func disagreement(cfg *pgconn.Config, attempts []error) string {
	encrypted, plain, socket := wants(cfg)
	refused, cutOff, shutOut := false, false, false
	for _, attempt := range attempts {
		var said *pgconn.PgError
		switch {
		case attempt.Error() == errRefusedTLS:
			refused = true
		case strings.HasPrefix(attempt.Error(), atStartup) && (errors.Is(attempt, io.EOF) || errors.Is(attempt, io.ErrUnexpectedEOF) ||
			errors.Is(attempt, syscall.ECONNRESET) || errors.Is(attempt, syscall.EPIPE)):
			cutOff = true
		// This code has many causes. The name of the server's function tells those apart that pg_hba.conf decides; it is in no
		// language.
		case errors.As(attempt, &said) && said.Code == "28000" && said.Routine == "ClientAuthentication":
			shutOut = true
		}
	}
	switch {
	case refused && !plain:
		return "the server does not offer TLS, which sslmode demands: have it switched on there (ssl = on), or, if the network " +
			"in between is trusted, set sslmode=disable"
	case cutOff && cfg.SSLNegotiation == "direct":
		return "the server did not answer to TLS without a question first: leave sslnegotiation=direct out, since the server is " +
			"older than PostgreSQL 17, or have TLS switched on there (ssl = on)"
	case cutOff && hasCertificate(cfg.TLSConfig):
		// It says why, and closes the socket. If it has done so when pgx writes, nobody reads what it said.
		return "the server hung up on TLS, as it does on a client certificate that it does not accept: " + setCertificate
	case shutOut && encrypted && !refused:
		return "the server's pg_hba.conf does not let this user in from here, or only with a client certificate: " + setCertificate +
			", or have an entry added there"
	case shutOut && !encrypted && !socket:
		return "the server's pg_hba.conf does not let this user in from here without TLS: set sslmode=verify-full, or, if it is " +
			"not TLS that is wanted, have an entry added there"
	}
	return ""
}

// hasCertificate reports whether a server that asks for a client certificate is shown one.
func hasCertificate(cfg *tls.Config) bool {
	return cfg != nil && (len(cfg.Certificates) > 0 || cfg.GetClientCertificate != nil)
}

// wants reports which ways to a server cfg allows.
func wants(cfg *pgconn.Config) (encrypted, plain, socket bool) {
	note := func(host string, port uint16, withTLS bool) {
		network, _ := pgconn.NetworkAddress(host, port)
		socket = socket || network == "unix"
		encrypted = encrypted || withTLS
		plain = plain || !withTLS
	}
	note(cfg.Host, cfg.Port, cfg.TLSConfig != nil)
	for _, other := range cfg.Fallbacks {
		note(other.Host, other.Port, other.TLSConfig != nil)
	}
	return encrypted, plain, socket
}
