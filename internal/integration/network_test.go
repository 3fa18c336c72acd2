package integration_test

import (
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2/toxics"

	"github.com/poolsql/poolsql/internal/integration/bank"
	"github.com/poolsql/poolsql/internal/integration/toxicproxy"
)

func TestTransfersSurviveLatency(t *testing.T) {
	r := newRig(t, true, nil)
	r.begin()
	slow := &toxics.LatencyToxic{Latency: 20, Jitter: 15}
	r.proxy.Poison(slow, slow)
	r.pass()
	r.proxy.Heal()
	r.healed()
	r.settle()
}

func TestTransfersSurviveReset(t *testing.T) {
	r := newRig(t, true, nil)
	r.begin()
	r.last(100*time.Millisecond, func(n int) {
		// Every other time it is the answer that is lost, and not the statement.
		if n%2 == 0 {
			r.proxy.Poison(new(toxics.ResetToxic), nil)
		} else {
			r.proxy.Poison(nil, new(toxics.ResetToxic))
		}
		time.Sleep(10 * time.Millisecond)
		r.proxy.Heal()
	})
	r.healed()
	wantUnknown(t, r.settle())
}

func TestTransfersSurviveSlicer(t *testing.T) {
	r := newRig(t, true, nil)
	r.begin()
	slices := &toxics.SlicerToxic{AverageSize: 20, SizeVariation: 15, Delay: 100}
	r.proxy.Poison(slices, slices)
	r.pass()
	r.proxy.Heal()
	r.healed()
	r.settle()
}

func TestTransfersSurviveBandwidth(t *testing.T) {
	r := newRig(t, true, nil)
	r.begin()
	narrow := &toxics.BandwidthToxic{Rate: 5} // KB/s, of each connection
	r.proxy.Poison(narrow, narrow)
	r.pass()
	r.proxy.Heal()
	r.healed()
	r.settle()
}

// The pool gives up its connections without the server knowing: until the network is back, the server keeps their sessions.
func TestTransfersSurviveBlackHole(t *testing.T) { interrupt(t, new(toxicproxy.BlackHole)) }

// What was sent when the network stood still arrives when that is over: statements and requests to cancel, of callers who
// have left, for connections that nobody has any more.
func TestTransfersSurviveStandstill(t *testing.T) { interrupt(t, new(toxicproxy.Standstill)) }

// interrupt lets nothing through for longer than a statement may take. Most transfers take several steps, of which only the
// last can leave them unknown: should none be in it when the fault begins, the fault comes again.
func interrupt(t *testing.T, toxic toxics.Toxic) {
	r := newRig(t, true, nil)
	r.begin()
	for range 5 {
		r.watch.excuse(maxConns)
		r.proxy.Poison(toxic, toxic)
		time.Sleep(max(faultTime(t), statementTimeout+1500*time.Millisecond))
		r.proxy.Heal()
		r.healed()
		if !poll(2*time.Second, func() bool { return len(r.sessions()) <= maxConns }) {
			t.Errorf("%d sessions 2 s after the network is back, want %d at most", len(r.sessions()), maxConns)
		}
		r.watch.excuse(0)
		if r.load.Journal().Count(bank.Unknown) > 0 {
			break
		}
	}
	j := r.settle()
	wantUnknown(t, j)
	statements, transactions := j.Overrun()
	if statements > time.Second+slack {
		t.Errorf("the caller of a statement who had given up came back %s later", statements)
	}
	if transactions > endTimeout+slack {
		t.Errorf("the caller of a transaction who had given up came back %s later, where its end may take %s", transactions, endTimeout)
	}
}

// wantUnknown fails the test if the fault did not hit a single transfer in its last step: then it proved little.
func wantUnknown(t *testing.T, j *bank.Journal) {
	t.Helper()
	if j.Count(bank.Unknown) == 0 {
		t.Errorf("no transfer's outcome is unknown: the fault was not felt: %s", j)
	}
}

// wantReplaced fails the test if the pool did not have to replace connections.
func wantReplaced(t *testing.T, r *rig) {
	t.Helper()
	if s := r.pool.Stats(); s.NewConnsCount <= maxConns {
		t.Errorf("%d connections opened in all: the fault was not felt: %+v", s.NewConnsCount, s)
	}
}
