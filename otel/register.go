package poolotel

import (
	"errors"
	"fmt"
	"reflect"
	"sync"

	"go.opentelemetry.io/otel"

	"github.com/poolsql/poolsql/connector"
)

// ErrNameTaken says that a provider has a pool of that name already. Its metrics could not be told from the other's.
var ErrNameTaken = errors.New("the name is taken")

// A Registration is a pool that is measured. Safe for concurrent use.
type Registration struct {
	once sync.Once
	undo []func() error
	err  error
}

// Register measures pool, and the pool of each of its routes under its own name, from now on, until
// [Registration.Unregister]. It fails if the pool's configuration or an attribute is bad, if an instrument cannot be made,
// or with ErrNameTaken if this MeterProvider, or [Producer], has a pool of the same name already: be it the same pool or
// another.
//
// Counters that the pool keeps itself have what happened before; the others, and the histograms, begin with the
// registration. [Metric.FromRegistration] says which.
func Register(pool *connector.Connector, opts ...Option) (*Registration, error) {
	if pool == nil {
		return nil, errors.New("poolsql: cannot measure: there is no pool")
	}
	if err := pool.Err(); err != nil {
		return nil, fmt.Errorf("poolsql: cannot measure: %w", err)
	}
	c := newConfig(opts)
	if err := checkAttributes(c.attributes); err != nil {
		return nil, err
	}
	r := new(Registration)
	if err := r.add(pool, &c); err != nil {
		return nil, err
	}
	for _, route := range pool.Routes() {
		own := c
		if c.poolName != "" {
			own.poolName = c.poolName + "/" + route.Name
		}
		if err := r.add(route.Pool, &own); err != nil {
			return nil, errors.Join(err, r.Unregister())
		}
	}
	return r, nil
}

// add has one pool measured.
func (r *Registration) add(pool *connector.Connector, c *config) error {
	attrs := attributesOf(pool, c)
	if err := r.claim(c, attrs.name); err != nil {
		return err
	}
	if err := r.measure(pool, c, attrs); err != nil {
		return fmt.Errorf("poolsql: cannot measure pool %q: %w", attrs.name, errors.Join(err, r.Unregister()))
	}
	return nil
}

// Unregister ends what Register began. The numbers are given out no more, but for the histograms that a MeterProvider
// keeps: it has no way to forget them. Whoever calls it again gets the same answer.
func (r *Registration) Unregister() error {
	r.once.Do(func() {
		var errs []error
		for i := len(r.undo) - 1; i >= 0; i-- {
			errs = append(errs, r.undo[i]())
		}
		r.err = errors.Join(errs...)
	})
	return r.err
}

func (r *Registration) undoes(f func()) {
	r.undo = append(r.undo, func() error { f(); return nil })
}

// measure connects the pool with where its numbers go.
func (r *Registration) measure(pool *connector.Connector, c *config, attrs attributes) error {
	if c.producer != nil {
		s := newStore(c)
		k := &kept{newSource(pool, newRecorder(s, attrs, c), c.template), s}
		r.undoes(pool.ObserveOwn(k.recorder))
		c.producer.add(k)
		r.undoes(func() { c.producer.remove(k) })
		return nil
	}
	in, err := newInstruments(c.provider, c)
	if err != nil {
		return err
	}
	s := newSource(pool, newRecorder(in, attrs, c), c.template)
	r.undoes(pool.ObserveOwn(s.recorder))
	callback, err := in.watch(s)
	if err != nil {
		return err
	}
	r.undo = append(r.undo, callback.Unregister)
	return nil
}

// A claim is a name that is taken.
type claim struct {
	owner any // a metric.MeterProvider or a *Producer
	name  string
}

var claims struct {
	mu    sync.Mutex
	taken map[claim]bool
}

// claim takes the name, until the registration ends. A provider that cannot be compared is taken for another each time.
func (r *Registration) claim(c *config, name string) error {
	mine := claim{c.producer, name}
	if c.producer == nil {
		if c.provider == nil {
			c.provider = otel.GetMeterProvider()
		}
		mine.owner = c.provider
		if !reflect.ValueOf(c.provider).Comparable() {
			return nil
		}
	}
	claims.mu.Lock()
	defer claims.mu.Unlock()
	if claims.taken[mine] {
		return fmt.Errorf("poolsql: cannot measure pool %q: %w: give one of them another Config.Name, or WithPoolName",
			name, ErrNameTaken)
	}
	if claims.taken == nil {
		claims.taken = make(map[claim]bool)
	}
	claims.taken[mine] = true
	r.undoes(func() {
		claims.mu.Lock()
		defer claims.mu.Unlock()
		delete(claims.taken, mine)
	})
	return nil
}
