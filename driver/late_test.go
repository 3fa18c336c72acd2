package pooldriver_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"database/sql"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/testdb"
)

// rowsThatEnd are nine rows, each larger than what the server keeps back, and then nothing until it is canceled.
const rowsThatEnd = "select repeat('x', 9000), case when g = 10 then pg_sleep(60) end from generate_series(1, 10) g"

// rowsThatFill are more than the sockets hold, so that the server waits for whoever reads.
const rowsThatFill = "select repeat('x', 9000), null from generate_series(1, 5000) g"

// The last request to cancel is made at 1.55 s: on a busy machine it has time enough to be seen to end.
const slowLimit, slowAnswer = 200 * time.Millisecond, 4 * time.Second

// Whoever takes his time between two rows finds the deadline of the cancel past, but what the server has said waits.
func TestASlowReaderOfACanceledStatementKeepsHisConnection(t *testing.T) {
	t.Parallel()
	needsPeek(t)
	for name, transport := range map[string]func(*testing.T, *poolsql.Config){
		"unix": func(*testing.T, *poolsql.Config) {},
		"tcp":  func(_ *testing.T, cfg *poolsql.Config) { tcp(cfg) },
		"tls":  encrypted,
	} {
		for what, query := range map[string]string{"the answer waits": rowsThatEnd, "the server waits": rowsThatFill} {
			t.Run(name+", "+what, func(t *testing.T) {
				t.Parallel()
				keeps(t, func() *fixture {
					return open(t, 1, func(cfg *poolsql.Config) {
						cfg.CancelTimeout = slowAnswer
						transport(t, cfg)
					})
				}, func(f *fixture) {
					pauses := map[int]time.Duration{ // after these rows
						1: slowLimit + slowAnswer + 300*time.Millisecond, 3: 50 * time.Millisecond, 5: 50 * time.Millisecond,
					}
					rows, err := f.db.QueryContext(poolsql.WithTimeout(f.ctx, slowLimit), query)
					if err != nil {
						t.Fatal(err)
					}
					n := 0
					for rows.Next() {
						n++
						time.Sleep(pauses[n])
					}
					timedOut(t, rows.Err(), pooldriver.LimitStatement, false)
					if n < 5 || n >= 5000 {
						t.Errorf("%d rows", n)
					}
					rows.Close()
				})
			})
		}
	}
}

// keeps fails the test if a connection is another after what was done with it, three times in a row. A request to cancel that is not seen to
// end in time costs the connection, as it is meant to, and a machine that has too much to do can cause that.
func keeps(t *testing.T, open func() *fixture, do func(*fixture)) {
	t.Helper()
	for attempt := 1; ; attempt++ {
		f := open()
		before, after := f.pid(), 0
		do(f)
		for range 3 {
			time.Sleep(20 * time.Millisecond)
			if after = f.pid(); after != before {
				break
			}
		}
		switch {
		case after == before:
			return
		case attempt == 3:
			t.Errorf("process %d serves, %d did before: closed %v%s", after, before, f.c.Stats().ClosedConns, f.events.ends())
			return
		}
		t.Logf("process %d serves, %d did before: closed %v%s", after, before, f.c.Stats().ClosedConns, f.events.ends())
	}
}

// needsPeek skips the test where nobody can tell whether there is something to read on a socket.
func needsPeek(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("sockets cannot be looked at here")
	}
}

// In Do nothing of ours looks at the error, and the next statement comes at once.
func TestASlowReaderInDoKeepsHisConnection(t *testing.T) {
	t.Parallel()
	needsPeek(t)
	for what, query := range map[string]string{"the answer waits": rowsThatEnd, "the server waits": rowsThatFill} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			f := open(t, 1, func(cfg *poolsql.Config) { cfg.CancelTimeout = slowAnswer })
			err := f.c.Do(f.ctx, func(pg *pgx.Conn) error {
				ctx, cancel := context.WithTimeout(f.ctx, slowLimit)
				defer cancel()
				rows, err := pg.Query(ctx, query)
				if err != nil {
					return err
				}
				rows.Next()
				time.Sleep(slowLimit + slowAnswer + 300*time.Millisecond)
				for rows.Next() {
				}
				if code := codeOf(rows.Err()); code != "57014" {
					t.Errorf("the rows ended with %v", rows.Err())
				}
				for range 3 {
					if _, err := pg.Exec(f.ctx, "select pg_sleep(0.05)"); err != nil {
						return fmt.Errorf("the next statement: %w", err)
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// flood has no end, for all that a test can wait.
const flood = "select repeat('x', 9000), generate_series(1, 100000000)"

// trickle has one row after another, each of which arrives by itself.
const trickle = "select repeat('x', 9000), pg_sleep(0.05) from generate_series(1, 1000) g"

// deaf has a pool's requests to cancel refused on the way.
func deaf(cfg *poolsql.Config) {
	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		if calledByCancelRequest() {
			return nil, errRefused
		}
		return dial(ctx, network, address)
	}
}

// A server that goes on, whatever it is told, must not keep its caller for longer than he reads what was on its way.
func TestAServerThatDoesNotHeedACancelLosesItsReader(t *testing.T) {
	t.Parallel()
	const limit, answer = 200 * time.Millisecond, 600 * time.Millisecond
	for what, c := range map[string]struct {
		query string
		pause time.Duration
	}{
		"a flood": {flood, 0},
		"a flood, and a reader who was away": {
			flood, limit + 2*answer,
		},
		"a trickle": {trickle, 0},
		"a trickle, and a reader who was away": {
			trickle, limit + 2*answer,
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			f := open(t, 1, tcp, deaf, func(cfg *poolsql.Config) { cfg.CancelTimeout = answer })
			watch := startWatch()
			rows, err := f.db.QueryContext(poolsql.WithTimeout(f.ctx, limit), c.query)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for first := true; rows.Next(); first = false {
				if first {
					time.Sleep(c.pause)
				}
				if time.Since(watch.began) > patience {
					t.Fatal("the rows go on and on")
				}
			}
			watch.within(t, c.pause+limit+2*answer+1500*time.Millisecond, "the end of the rows")
			timedOut(t, rows.Err(), pooldriver.LimitStatement, true)
			rows.Close()
			f.reap() // or it sleeps on
		})
	}
}

// encrypted has a pool use TLS, to a server of its own.
func encrypted(t *testing.T, cfg *poolsql.Config) {
	t.Helper()
	database := testdb.Private(t)
	db, err := sql.Open("pgx", database.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	certificate, key := selfSigned(t)
	// The server's own hand writes the files, into its data directory, so that they are its user's and nobody else's.
	for file, text := range map[string][]byte{"server.crt": certificate, "server.key": key} {
		write := "copy (select unnest(string_to_array('" + string(text) + "', E'\\n'))) to program 'umask 077; cat > " + file + "'"
		if _, err := db.ExecContext(t.Context(), write); err != nil {
			t.Fatal(err)
		}
	}
	for _, statement := range []string{"alter system set ssl = on", "select pg_reload_conf()"} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	cc := parse(t, database.TCPDSN+"&sslmode=require")
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if conn, err := pgx.ConnectConfig(t.Context(), cc.Copy()); err == nil {
			if err := conn.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			break
		} else if time.Now().After(deadline) {
			t.Fatal("the server does not encrypt: ", err)
		}
	}
	cfg.ConnConfig = cc
}

// selfSigned returns a certificate and its key.
func selfSigned(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	if err != nil {
		t.Fatal(err)
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

// Where nothing is answered, not even to a cancel, there is nobody to be polite to: the slot is free as soon as its caller.
func TestASlotIsFreeAtOnceWhereNothingIsAnswered(t *testing.T) {
	t.Parallel()
	const limit = time.Second
	runs := map[string]func(*fixture, context.Context) error{
		"exec": func(f *fixture, ctx context.Context) error {
			_, err := f.db.ExecContext(ctx, "select pg_sleep(60)")
			return err
		},
		"begin": func(f *fixture, ctx context.Context) error {
			tx, err := f.db.BeginTx(ctx, nil)
			if err == nil {
				err = tx.Commit()
			}
			return err
		},
		"ping": func(f *fixture, ctx context.Context) error { return f.db.PingContext(ctx) },
		"do": func(f *fixture, ctx context.Context) error {
			return f.c.Do(ctx, func(pg *pgx.Conn) error { _, err := pg.Exec(ctx, "select pg_sleep(60)"); return err })
		},
	}
	for name, transport := range transports {
		for _, deadlines := range []bool{true, false} {
			for what, run := range runs {
				t.Run(fmt.Sprintf("%s, %s, deadlines: %t", what, name, deadlines), func(t *testing.T) {
					t.Parallel()
					var n network
					f := open(t, 1, transport, n.through)
					f.exec("select 1")
					n.noDeadlines.Store(!deadlines)
					n.black.Store(true)
					ctx, cancel := context.WithTimeout(f.ctx, limit)
					defer cancel()
					watch := startWatch()
					if err := run(f, ctx); err == nil {
						t.Error("a statement in a black hole succeeded")
					}
					watch.within(t, 2*limit, "a statement in a black hole")
					watch = startWatch()
					f.await("the slot to be free", func() bool { return f.c.Stats().TotalConns == 0 })
					watch.within(t, 300*time.Millisecond, "to free the slot")
					n.black.Store(false)
					f.exec("select 1")
					f.reap()
				})
			}
		}
	}
}
