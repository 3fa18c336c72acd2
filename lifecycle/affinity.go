package lifecycle

import "slices"

// keyedLocked returns the idle resource that served key last, moved to the top of the stack, whose top is given. Where that is
// none, or in use, it is the top, unless that is another key's: then it is the one that has been idle for longest, so that
// each of a few keys comes to have its own. To find it costs one look into a map; to take it out, a move of pointers.
func (p *Pool[T]) keyedLocked(key string, top *resource[T]) *resource[T] {
	r := p.keys[key]
	switch {
	case r == nil || r.state != Idle:
		r = top
		if top.affinity != "" && top.affinity != key {
			r = p.idle[0]
		}
	default:
		p.affinityHits++
	}
	p.affinityLooks++
	if r != top {
		i := slices.Index(p.idle, r)
		copy(p.idle[i:], p.idle[i+1:]) // the others keep their order of age
		p.idle[len(p.idle)-1] = r
	}
	if r.affinity != key {
		p.unkeyLocked(r)
		r.affinity = key
	}
	if p.keys == nil {
		p.keys = make(map[string]*resource[T])
	}
	p.keys[key] = r
	return r
}

// unkeyLocked forgets the key of a resource that serves another, or has ended. There is a key for each resource at most.
func (p *Pool[T]) unkeyLocked(r *resource[T]) {
	if r.affinity != "" && p.keys[r.affinity] == r {
		delete(p.keys, r.affinity)
	}
}
