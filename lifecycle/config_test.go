package lifecycle_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
)

func good() lifecycle.Config[*thing] {
	w := &works{}
	return lifecycle.Config[*thing]{Create: w.create, Destroy: w.destroy, Max: 4}
}

func TestNewPoolNamesEveryWrongFieldAtOnce(t *testing.T) {
	bad := lifecycle.Config[*thing]{
		Min: -1, Max: -3, MaxCreating: -1,
		AcquireTimeout: -1, CreateTimeout: -1, DestroyTimeout: -1, IdleTimeout: -1, MaxLifetime: -1, KeepInterval: -1,
		LeakThreshold: -1, InterruptGrace: -1,
		Reserve: -1, AgingShare: 1, MaxWaiting: -1,
	}
	p, err := lifecycle.NewPool(bad)
	if err == nil || p != nil {
		t.Fatalf("NewPool returned %v, %v", p, err)
	}
	complaints := strings.Split(err.Error(), "\n")
	for _, field := range []string{
		"Create", "Destroy", "Max", "Min", "MaxCreating", "AcquireTimeout", "CreateTimeout", "DestroyTimeout",
		"IdleTimeout", "MaxLifetime", "KeepInterval", "LeakThreshold", "InterruptGrace", "Reserve", "AgingShare", "MaxWaiting",
	} {
		named := 0
		for _, c := range complaints {
			if strings.HasPrefix(strings.TrimPrefix(c, "lifecycle: "), field+" is ") {
				named++
			}
		}
		if named != 1 {
			t.Errorf("%s is named %d times in\n%v", field, named, err)
		}
	}
	for _, foreign := range []string{"Permits", "MaxWait is"} {
		if strings.Contains(err.Error(), foreign) {
			t.Errorf("%q is no field of Config, but named in\n%v", foreign, err)
		}
	}
}

func TestNewPoolRefusesNumbersThatContradictEachOther(t *testing.T) {
	for name, change := range map[string]func(*lifecycle.Config[*thing]){
		"Min is 5":             func(c *lifecycle.Config[*thing]) { c.Min = 5 },
		"Max is 0":             func(c *lifecycle.Config[*thing]) { c.Max = 0 },
		"Reserve is 4":         func(c *lifecycle.Config[*thing]) { c.Reserve = 4 },
		"LifetimeJitter is 1s": func(c *lifecycle.Config[*thing]) { c.MaxLifetime, c.LifetimeJitter = time.Second, time.Second },
	} {
		cfg := good()
		change(&cfg)
		if _, err := lifecycle.NewPool(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: NewPool said %v", name, err)
		}
	}
}

func TestNewPoolTakesWhatIsAllowed(t *testing.T) {
	for name, change := range map[string]func(*lifecycle.Config[*thing]){
		"the least":          func(*lifecycle.Config[*thing]) {},
		"Min equal to Max":   func(c *lifecycle.Config[*thing]) { c.Min = c.Max },
		"strict priority":    func(c *lifecycle.Config[*thing]) { c.AgingShare = -1 },
		"no jitter":          func(c *lifecycle.Config[*thing]) { c.MaxLifetime, c.LifetimeJitter = time.Second, -1 },
		"a lifetime of 1 ns": func(c *lifecycle.Config[*thing]) { c.MaxLifetime = 1 },
	} {
		cfg := good()
		change(&cfg)
		if _, err := lifecycle.NewPool(cfg); err != nil {
			t.Errorf("%s: NewPool said %v", name, err)
		}
	}
}

func TestNewPoolStartsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		p := newPool(t, w, lifecycle.Config[*thing]{Min: 3, Max: 4, IdleTimeout: time.Second})
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if w.attempts() > 0 || p.NextRound() != 0 {
			t.Errorf("%d creations, next round in %s, before the first use", w.attempts(), p.NextRound())
		}
	})
}

func TestPoolOfValuesWorks(t *testing.T) {
	type plain struct{ n int }
	made := 0
	p, err := lifecycle.NewPool(lifecycle.Config[plain]{
		Max: 1,
		Create: func(context.Context) (plain, error) {
			made++
			return plain{n: 40 + made}, nil
		},
		Destroy: func(_ context.Context, v plain) error {
			if v.n != 41 {
				t.Errorf("destroyed %+v", v)
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		h, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if v := h.Value(); v.n != 41 {
			t.Errorf("lent %+v", v)
		}
		h.Release()
	}
	if err := p.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
}
