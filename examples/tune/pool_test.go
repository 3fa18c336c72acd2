package main

import (
	"testing"
	"time"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/connector"
)

func TestThePoolUnderMeasureIsTheOneOfTheDSNButForTheLadder(t *testing.T) {
	pool := poolsql.NewConnector(poolsql.Config{DSN: "postgres://app@localhost/shop?pool_name=shop&pool_max_conns=9&pool_min_conns=3" +
		"&pool_high_reserve=2&pool_max_waiting=5&pool_acquire_timeout=1s&pool_max_dials=3&pool_max_conn_lifetime=2h" +
		"&pool_reset_query=DISCARD%20ALL&pool_transaction_timeout=4s"})
	if err := pool.Err(); err != nil {
		t.Fatal(err)
	}
	notes := &recorder{}
	got := underMeasure(pool.Config(), false, notes)
	if got.Name != "tune" || got.Observer != notes || got.MinConns != 1 || got.MaxConns != 1 || got.HighReserve != 0 ||
		got.MaxWaiting != 0 || got.AcquireTimeout != poolsql.None {
		t.Errorf("the ladder does not have its way: %v", got)
	}
	if got.MaxDials != 3 || got.MaxConnLifetime != 2*time.Hour || got.ResetQuery != "DISCARD ALL" || got.TransactionTimeout != 4*time.Second {
		t.Errorf("the DSN is not heeded: %v", got)
	}
}

// What cannot be sent must not be tried: whether the server refuses to write is asked of it before the statement runs.
func TestAReadOnlyPoolIsAskedForWhereThatCanBeSent(t *testing.T) {
	for params, want := range map[string]string{
		"":                            "on",
		"?pool_pgbouncer=session":     "on",
		"?pool_pgbouncer=statement":   "",
		"?pool_pgbouncer=transaction": "",
		"?pool_pgbouncer=transaction&pool_pgbouncer_params=default_transaction_read_only": "on",
	} {
		pool := poolsql.NewConnector(connector.Config{DSN: "postgres://app@localhost/shop" + params})
		cfg := pool.Config()
		cfg.DSN = ""
		got := underMeasure(cfg, true, nil)
		if said := got.ConnConfig.RuntimeParams[readOnlyParam]; said != want {
			t.Errorf("%q: %q, want %q", params, said, want)
		}
		if err := got.Validate(); err != nil {
			t.Errorf("%q: %v", params, err)
		}
	}
}

func TestAServerIsHereIfItsAddressSaysSo(t *testing.T) {
	for host, want := range map[string]bool{
		"/run/postgresql": true, "@abstract": true, "localhost": true, "127.0.0.1": true, "::1": true,
		"db.example": false, "10.0.0.1": false, "": false,
	} {
		if got := isHere(host); got != want {
			t.Errorf("%q: %t", host, got)
		}
	}
}
