package priority

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
)

// members returns who is in the batch, in the order in which they will be woken.
func (b *Batch) members() []*Waiter {
	var all []*Waiter
	for w := b.first; w != nil; w = w.next {
		all = append(all, w)
	}
	return all
}

// desk is a scheduler whose permits are all out to High, and the names of its waiters, for stories of a few steps.
type desk struct {
	t     *testing.T
	sched Scheduler
	names map[*Waiter]string
}

func newDesk(t *testing.T, l Limits) *desk {
	t.Helper()
	if err := l.Validate(); err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, names: make(map[*Waiter]string)}
	d.sched.Init(l, func() {})
	t.Cleanup(d.sched.Stop)
	for d.sched.TryAdmit(High) {
	}
	return d
}

// queue lets name wait as class and tenant, and returns who had to make room for it.
func (d *desk) queue(name string, c Class, tenant string) []string {
	d.t.Helper()
	return d.queueWith(context.Background(), name, Options{Class: c, Tenant: tenant}, mono.Now())
}

func (d *desk) queueWith(ctx context.Context, name string, o Options, since mono.Time) []string {
	d.t.Helper()
	w := NewWaiter(ctx, &o, since)
	d.names[w] = name
	var batch Batch
	if !d.sched.Enqueue(w, &batch) {
		d.t.Fatalf("%s was refused", name)
	}
	return d.wake(&batch)
}

func (d *desk) queueFront(name string, c Class, tenant string) {
	w := NewWaiter(context.Background(), &Options{Class: c, Tenant: tenant}, mono.Now())
	d.names[w] = name
	d.sched.EnqueueFront(w)
}

// handOver gives one permit to whoever is next and returns his name. It then holds it for High again, so that all stay
// out.
func (d *desk) handOver() string {
	d.t.Helper()
	d.sched.Release(High)
	var batch Batch
	w := d.sched.Next(mono.Now(), &batch)
	if w == nil {
		d.t.Fatal("nobody was next")
	}
	class := w.class
	batch.Add(w)
	names := d.wake(&batch)
	d.sched.Release(class)
	d.sched.TryAdmit(High)
	return names[len(names)-1]
}

func (d *desk) handOvers(n int) []string {
	d.t.Helper()
	var names []string
	for range n {
		names = append(names, d.handOver())
	}
	return names
}

func (d *desk) wake(batch *Batch) []string {
	var names []string
	for _, w := range batch.members() {
		names = append(names, d.names[w])
	}
	batch.Wake()
	return names
}

func repeat(n int, s string) []string { return slices.Repeat([]string{s}, n) }

func TestLowerClassGetsItsShareWhileEveryPermitIsOut(t *testing.T) {
	d := newDesk(t, Limits{Permits: 2, AgingShare: 4})
	for range 20 {
		d.queue("high", High, "")
		d.queue("low", Low, "")
	}
	want := slices.Concat(repeat(3, "high"), repeat(1, "low"), repeat(3, "high"), repeat(1, "low"))
	if got := d.handOvers(8); !slices.Equal(got, want) {
		t.Errorf("served %v\n  want %v", got, want)
	}
}

func TestEachLowerClassGetsAShareOfItsOwn(t *testing.T) {
	d := newDesk(t, Limits{Permits: 1, AgingShare: 4})
	for range 40 {
		d.queue("high", High, "")
		d.queue("normal", Normal, "")
		d.queue("low", Low, "")
	}
	counts := map[string]int{}
	for _, name := range d.handOvers(40) {
		counts[name]++
	}
	for class, above := range map[string]int{"normal": counts["high"], "low": counts["high"] + counts["normal"]} {
		if got, want := counts[class], above/3; got != want {
			t.Errorf("%s had %d grants while %d passed it over, want %d: %v", class, got, above, want, counts)
		}
	}
}

func TestStrictPriorityServesLowLast(t *testing.T) {
	d := newDesk(t, Limits{Permits: 1, AgingShare: -1})
	d.queue("low", Low, "")
	d.queue("normal", Normal, "")
	for range 100 {
		d.queue("high", High, "")
	}
	want := append(repeat(100, "high"), "normal", "low")
	if got := d.handOvers(102); !slices.Equal(got, want) {
		t.Errorf("served %v", got)
	}
}

func TestGrantsFromTheReserveDoNotCountAsPassingOver(t *testing.T) {
	d := newDesk(t, Limits{Permits: 2, Reserve: 1, AgingShare: 2})
	d.sched.Release(High)
	d.sched.TryAdmit(Low) // all that the lower classes may have
	for range 4 {
		d.queue("high", High, "")
		d.queue("low", Low, "")
	}
	if got, want := d.handOvers(4), repeat(4, "high"); !slices.Equal(got, want) {
		t.Fatalf("served %v, want %v", got, want)
	}
	if passed := d.sched.classes[Low.rank()].passed; passed != 0 {
		t.Errorf("low was counted as passed over %d times for permits that it could not have", passed)
	}
}

func TestTenantsTakeTurnsAndKeepTheirOrder(t *testing.T) {
	d := newDesk(t, Limits{Permits: 1})
	for _, name := range []string{"a1", "a2", "a3", "b1", "c1", "c2"} {
		d.queue(name, Normal, name[:1])
	}
	want := []string{"a1", "b1", "c1", "a2", "c2", "a3"}
	if got := d.handOvers(6); !slices.Equal(got, want) {
		t.Errorf("served %v, want %v", got, want)
	}
}

func TestFrontOfTheQueueIsServedFirstAndCostsNobodyATurn(t *testing.T) {
	d := newDesk(t, Limits{Permits: 1})
	for _, name := range []string{"a1", "b1", "c1", "c2", "d1"} {
		d.queue(name, Normal, name[:1])
	}
	d.queueFront("c0", Normal, "c")
	want := []string{"c0", "a1", "b1", "c1", "d1", "c2"}
	if got := d.handOvers(6); !slices.Equal(got, want) {
		t.Errorf("served %v, want %v", got, want)
	}
}

func TestTenantThatComesToTheFrontAgainAndAgainStarvesNobody(t *testing.T) {
	d := newDesk(t, Limits{Permits: 1})
	for _, tenant := range []string{"a", "b", "c", "d"} {
		for range 10 {
			d.queue(tenant, Normal, tenant)
		}
	}
	counts := map[string]int{}
	for range 9 {
		d.queueFront("front", Normal, "c")
		counts[d.handOver()]++
		counts[d.handOver()]++
	}
	for _, tenant := range []string{"a", "b", "d"} {
		if counts[tenant] == 0 {
			t.Errorf("%s was never served: %v", tenant, counts)
		}
	}
}

func TestDeadlineFartherThanTheClockCountsIsNoDeadline(t *testing.T) {
	for _, deadline := range []time.Time{
		time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Now().Add(math.MaxInt64),
	} {
		d := newDesk(t, Limits{Permits: 1})
		ctx, cancel := context.WithDeadline(context.Background(), deadline)
		defer cancel()
		d.queueWith(ctx, "patient", Options{}, mono.Now())
		if got := d.handOver(); got != "patient" {
			t.Errorf("served %q", got)
		}
	}
}

func TestMaxWaitFartherThanTheClockCountsIsNoLimit(t *testing.T) {
	testMaxWaitForEver(t)
	synctest.Test(t, testMaxWaitForEver) // where the clock begins elsewhere
}

func testMaxWaitForEver(t *testing.T) {
	d := newDesk(t, Limits{Permits: 1, MaxWait: math.MaxInt64})
	d.queue("patient", Normal, "")
	var batch Batch
	d.sched.Expire(mono.Now(), &batch)
	if gone := d.wake(&batch); len(gone) > 0 {
		t.Fatalf("%v expired", gone)
	}
	if got := d.handOver(); got != "patient" {
		t.Errorf("served %q", got)
	}
}

func TestFullQueueEvictsTheLowestClass(t *testing.T) {
	d := newDesk(t, Limits{Permits: 1, MaxWaiting: 3})
	d.queue("low1", Low, "")
	d.queue("low2", Low, "")
	d.queue("normal1", Normal, "")
	for _, step := range []struct {
		name  string
		class Class
		want  string
	}{
		{"normal2", Normal, "low1"},
		{"high1", High, "low2"},
		{"high2", High, "normal1"},
		{"high3", High, "normal2"},
	} {
		if got := d.queue(step.name, step.class, ""); !slices.Equal(got, []string{step.want}) {
			t.Fatalf("%s evicted %v, want %s", step.name, got, step.want)
		}
	}
	w := NewWaiter(context.Background(), &Options{Class: High}, mono.Now())
	var batch Batch
	if d.sched.Enqueue(w, &batch) {
		t.Error("a fourth high found a place among three of its kind")
	}
	if e := w.Refusal(context.Background(), &Options{Class: High}); e.Reason != QueueFull || e.Depth != 3 {
		t.Errorf("refused with %v at depth %d, want queue full at 3", e.Reason, e.Depth)
	}
	if got, want := d.handOvers(3), []string{"high1", "high2", "high3"}; !slices.Equal(got, want) {
		t.Errorf("served %v, want %v", got, want)
	}
}

func TestFullQueueEvictsFromTheTenantThatFilledIt(t *testing.T) {
	d := newDesk(t, Limits{Permits: 1, MaxWaiting: 10})
	d.queue("mouse", Low, "mouse")
	for range 8 {
		d.queue("elephant", Low, "elephant")
	}
	d.queue("other mouse", Low, "other mouse")
	for range 7 {
		if got := d.queue("high", High, ""); !slices.Equal(got, []string{"elephant"}) {
			t.Fatalf("evicted %v, want one of the elephant's eight", got)
		}
	}
}

func TestLimitsThatContradictThemselvesAreAllNamed(t *testing.T) {
	for _, tt := range []struct {
		limits Limits
		want   []string
	}{
		{Limits{Permits: -1}, []string{"Permits is -1"}},
		{Limits{Permits: 2, Reserve: -1}, []string{"Reserve is -1"}},
		{Limits{Permits: 2, Reserve: 2}, []string{"Reserve is 2 of 2"}},
		{Limits{Permits: 2, AgingShare: 1}, []string{"AgingShare is 1"}},
		{
			Limits{Permits: -1, MaxWaiting: -2, MaxWait: -time.Second},
			[]string{"Permits is -1", "MaxWaiting is -2", "MaxWait is -1s"},
		},
	} {
		err := tt.limits.Validate()
		if err == nil {
			t.Errorf("%+v is valid", tt.limits)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v: does not say %q", tt.limits, err, want)
			}
		}
	}
	for _, l := range []Limits{{}, {Permits: 1}, {Permits: 2, Reserve: 1}, {Reserve: 3}, {Permits: 1, AgingShare: -1}} {
		if err := l.Validate(); err != nil {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

func TestReleaseOfAPermitThatIsNotOutPanics(t *testing.T) {
	d := newDesk(t, Limits{Permits: 1})
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	d.sched.Release(Low)
}
