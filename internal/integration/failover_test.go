package integration_test

import (
	"testing"
	"time"

	"github.com/poolsql/poolsql/internal/integration/bank"
	"github.com/poolsql/poolsql/internal/testdb"
)

// The primary crashes, and a while later its standby takes over. What was acknowledged is on the standby, too: each COMMIT
// waits for it.
func TestTransfersSurviveFailover(t *testing.T) {
	testdb.NoLeaks(t)
	pair := testdb.Replicated(t, testdb.Synchronous)
	dsn := pair.DSN("target_session_attrs=read-write")
	r := &rig{t: t, server: pair.Primary(), sideDSN: dsn, rules: bank.Rules{CanceledMayBeLost: true}}
	r.createBank(dsn)
	r.open(dsn, nil)
	r.begin()
	if err := pair.Primary().Stop(t.Context(), testdb.Immediate); err != nil {
		t.Fatal(err)
	}
	time.Sleep(faultTime(t) / 2)
	if err := pair.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.server = pair.Standby()
	r.healed()
	r.settle()
	wantReplaced(t, r)
}
