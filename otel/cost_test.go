//go:build !race

// The race detector slows down what it watches, ours and not the other's: nothing is measured under it.

package poolotel_test

import (
	"database/sql"
	"testing"
	"time"

	"github.com/XSAM/otelsql"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	poolotel "github.com/poolsql/poolsql/otel"
)

// faster fails the test unless the best run of ours takes at most share of the best run of theirs. They take turns, and a
// busy machine gets many turns to show what it can do: what else runs makes a run longer, never shorter.
func faster(t *testing.T, share float64, ours, theirs func()) {
	t.Helper()
	timed := func(f func(), best *time.Duration) {
		began := time.Now()
		f()
		if took := time.Since(began); *best == 0 || took < *best {
			*best = took
		}
	}
	var our, their time.Duration
	for turn := range 60 {
		timed(theirs, &their)
		timed(ours, &our)
		if turn >= 4 && float64(our) <= share*float64(their) {
			t.Logf("%v against %v: %.2f after %d turns", our, their, float64(our)/float64(their), turn+1)
			return
		}
	}
	t.Errorf("%v against %v: %.2f of it, want at most %.2f", our, their, float64(our)/float64(their), share)
}

// TestMeasuringCostsLessThanHalfOfWhatOtelsqlDoes is the whole of an operation on a driver that does nothing, all metrics on.
func TestMeasuringCostsLessThanHalfOfWhatOtelsqlDoes(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures")
	}
	pool, db := onNoop(t, connector.Config{})
	measured(t, pool, poolotel.WithProducer(poolotel.NewProducer()))
	other := otelsql.OpenDB(noop{}, otelsql.WithMeterProvider(provider(sdkmetric.NewManualReader())))
	defer other.Close()
	run := func(db *sql.DB) func() {
		return func() {
			for range 5000 {
				nothing(t, t.Context(), db)
			}
		}
	}
	faster(t, 0.5, run(db), run(other))
}

// TestAMeasuredPoolKeepsUpWithPlainDatabaseSQL has 64 goroutines select 1 from PostgreSQL, all metrics on.
func TestAMeasuredPoolKeepsUpWithPlainDatabaseSQL(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures")
	}
	testdb.NoLeaks(t)
	dsn := testdb.New(t).DSN
	ours, plain := pooled(poolotel.WithProducer(poolotel.NewProducer()))(t, dsn), plainSQL(t, dsn)
	defer ours.Close()
	defer plain.Close()
	run := func(db *sql.DB) func() { return func() { selectOne(t, db, 3000) } }
	faster(t, 1.25, run(ours), run(plain)) // beside other tests it is the machine that is measured
}
