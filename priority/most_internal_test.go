package priority

import "testing"

// TestMostBoundsWhatIsOutAndKeepsTheReserve has ten permits of which four may be out, two of them High's.
func TestMostBoundsWhatIsOutAndKeepsTheReserve(t *testing.T) {
	var s Scheduler
	s.Init(Limits{Permits: 10, Reserve: 2}, func() {})
	s.SetMost(4)
	for i, want := range []bool{true, true, false} {
		if got := s.TryAdmit(Low); got != want {
			t.Errorf("low, %d: %t", i+1, got)
		}
	}
	for i, want := range []bool{true, true, false} {
		if got := s.TryAdmit(High); got != want {
			t.Errorf("high, %d: %t", i+1, got)
		}
	}
	if n := s.Stats().Limit; n != 4 || s.Most() != 4 || s.Limits().Permits != 10 {
		t.Errorf("%d of %d, %d permits", n, s.Most(), s.Limits().Permits)
	}
	s.SetMost(0)
	if !s.TryAdmit(Low) || s.Stats().Limit != 10 {
		t.Error("without the bound there is no room")
	}
	s.Suspend()
	s.SetMost(20)
	if s.TryAdmit(High) {
		t.Error("a bound gave a suspended scheduler room")
	}
	s.Resume()
	if s.Stats().Limit != 10 {
		t.Errorf("a bound above the permits is %d", s.Stats().Limit)
	}
}
