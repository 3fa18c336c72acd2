package lifecycle

// A report collects under the lock what is to be done after the unlock: callers to wake, resources to create and to
// destroy, events to tell. Nothing foreign is called and nobody is woken while the lock is held.
type report[T any] struct {
	create  []*resource[T]
	destroy []*resource[T]
	events  []Event
}

// note adds an event, if anybody listens.
func (p *Pool[T]) note(r *report[T], e Event) {
	if p.told.Wants(e.Kind) {
		e.Pool = p.cfg.Name
		r.events = append(r.events, e)
	}
}

// emit tells the observers of e at once. It must not be called with the lock held.
func (p *Pool[T]) emit(e Event) {
	if p.told.Wants(e.Kind) {
		e.Pool = p.cfg.Name
		p.told.Observe(e)
	}
}

// carryOut does what the report asks for, most often nothing. It must not be called with the lock held.
func (p *Pool[T]) carryOut(r *report[T]) {
	if r.create != nil || r.destroy != nil || r.events != nil {
		p.carryOutAll(r)
	}
}

func (p *Pool[T]) carryOutAll(r *report[T]) {
	p.start(r)
	p.tell(r)
}

// start begins what is to be created and destroyed.
func (p *Pool[T]) start(r *report[T]) {
	for _, res := range r.create {
		go p.create(res)
	}
	for _, res := range r.destroy {
		go p.destroy(res)
	}
}

// tell tells the observers, who may panic: whatever has to be done is done before.
func (p *Pool[T]) tell(r *report[T]) {
	for _, e := range r.events {
		p.told.Observe(e)
	}
}
