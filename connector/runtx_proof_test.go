package connector_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/poolsql/poolsql/connector"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/testdb"
)

// Two accounts may be overdrawn, but not both together: a rule that each transaction checks on what it reads, and that
// only serializable transactions keep. Each one that is acknowledged must be there once.
func TestUnderSerializableTheLedgerKeepsItsRuleAndEveryAcknowledgedEntryOnce(t *testing.T) {
	t.Parallel()
	const workers, each = 8, 25
	setup := "create table entry (id text primary key, account int not null, amount int not null); insert into entry values ('first', 1, 60), ('second', 2, 60)"
	onPostgres(t, workers+1, setup, func(t *testing.T, db *sql.DB) {
		var mu sync.Mutex
		acknowledged := map[string]bool{"first": true, "second": true}
		var repeated atomic.Int64
		var done sync.WaitGroup
		for w := range workers {
			done.Go(func() {
				rng := rand.New(rand.NewPCG(1, uint64(w)))
				for i := range each {
					id := string(rune('a'+w)) + string(rune('a'+i))
					account, amount := 1+rng.IntN(2), rng.IntN(60)-35
					opts := connector.TxOptions{Isolation: sql.LevelSerializable, MaxAttempts: 1000}
					err := connector.RunTx(t.Context(), db, opts, func(ctx context.Context, tx *sql.Tx) error {
						if connector.Attempt(ctx) > 1 {
							repeated.Add(1)
						}
						var sum int
						if err := tx.QueryRowContext(ctx, "select sum(amount) from entry").Scan(&sum); err != nil {
							return err
						}
						if sum+amount < 0 {
							return errMine
						}
						_, err := tx.ExecContext(ctx, "insert into entry values ($1, $2, $3)", id, account, amount)
						return err
					})
					switch {
					case err == nil:
						mu.Lock()
						acknowledged[id] = true
						mu.Unlock()
					case err != errMine:
						t.Error(err)
					}
				}
			})
		}
		done.Wait()
		rows, err := db.Query("select id, amount from entry")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		found, sum := 0, 0
		for rows.Next() {
			var id string
			var amount int
			if err := rows.Scan(&id, &amount); err != nil {
				t.Fatal(err)
			}
			found, sum = found+1, sum+amount
			if !acknowledged[id] {
				t.Errorf("entry %q is there, and nobody was told so", id)
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		if found != len(acknowledged) || sum < 0 || repeated.Load() == 0 {
			t.Errorf("%d entries of %d acknowledged, sum %d, %d repetitions: want all, none below zero, and some", found, len(acknowledged), sum, repeated.Load())
		}
	})
}

// cutter forwards to a server until a client sends COMMIT; then it cuts the connection off, before the server gets to see
// the COMMIT or after that.
type cutter struct {
	net.Listener
	server  string
	deliver bool
	done    sync.WaitGroup
}

func (c *cutter) serve() {
	for {
		client, err := c.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", c.server)
		if err != nil {
			client.Close()
			continue
		}
		silenced := make(chan bool)
		c.done.Go(func() { // what the server says
			defer close(silenced)
			buf := make([]byte, 4096)
			for {
				n, err := server.Read(buf)
				client.Write(buf[:n]) // in vain if the client is cut off already
				if err != nil || bytes.Contains(buf[:n], []byte("COMMIT\x00")) {
					client.Close()
					return
				}
			}
		})
		c.done.Go(func() {
			defer server.Close()
			defer client.Close()
			buf := make([]byte, 4096)
			for {
				n, err := client.Read(buf)
				if err != nil {
					return
				}
				if bytes.Contains(buf[:n], []byte("commit\x00")) {
					if c.deliver {
						client.Close() // the answer reaches nobody
						server.Write(buf[:n])
						<-silenced
					}
					return
				}
				if _, err := server.Write(buf[:n]); err != nil {
					return
				}
			}
		})
	}
}

func TestACommitWhoseAnswerIsLostIsToldAndNeverRunAgain(t *testing.T) {
	t.Parallel()
	for _, deliver := range []bool{false, true} {
		for _, target := range []string{"poolsql", "pgx"} {
			t.Run(target+map[bool]string{false: " not delivered", true: " delivered"}[deliver], func(t *testing.T) {
				testdb.NoLeaksInParallel(t)
				u, err := url.Parse(testdb.New(t).TCPDSN)
				if err != nil {
					t.Fatal(err)
				}
				direct, err := sql.Open("pgx", u.String())
				if err != nil {
					t.Fatal(err)
				}
				defer direct.Close()
				if _, err := direct.Exec(twoAccounts); err != nil {
					t.Fatal(err)
				}
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				c := &cutter{Listener: l, server: u.Host, deliver: deliver}
				c.done.Go(c.serve)
				defer c.done.Wait()
				defer l.Close()
				u.Host = l.Addr().String()
				db := openThrough(t, target, u.String())
				runs := 0
				err = connector.RunTx(t.Context(), db, connector.TxOptions{}, func(ctx context.Context, tx *sql.Tx) error {
					runs++
					spend(t, ctx, tx)
					return nil
				})
				if !errors.Is(err, pooldriver.ErrCommitUnknown) || runs != 1 {
					t.Errorf("%v after %d runs, want one that is ErrCommitUnknown after 1", err, runs)
				}
				want := "100 100"
				if deliver {
					want = "0 0"
				}
				await(t, func() bool { return balances(t, direct) == want })
			})
		}
	}
}

// openThrough opens a *sql.DB of that kind, which is gone at the end of the test.
func openThrough(t *testing.T, target, dsn string) *sql.DB {
	t.Helper()
	if target == "pgx" {
		cfg, err := pgx.ParseConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		db := stdlib.OpenDB(*cfg)
		t.Cleanup(func() { db.Close() })
		return db
	}
	db, err := connector.Open(connector.Config{DSN: dsn, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := connector.FromDB(db)
	t.Cleanup(func() { db.Close(); <-c.Done() })
	return db
}
