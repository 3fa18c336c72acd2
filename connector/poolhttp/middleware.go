package poolhttp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/poolsql/poolsql/priority"
)

// New returns middleware that prepares requests for the pool: what it wraps finds the class, the label, the tenant and the
// deadline that opts say in the request's context. What the context has already and opts say nothing of stays.
//
// Calls are labeled by the pattern of the handler that serves the request, such as "GET /items/{id}", which is of the program's
// text and not of what clients send. It is known where an [http.ServeMux] is wrapped, or what one serves; wrap other
// middleware around the result and not the other way round.
//
// It fails with all that is wrong with opts. What it returns is safe for concurrent use.
func New(opts Options) (func(http.Handler) http.Handler, error) {
	errs := []error{opts.validate()}
	m := &middleware{Options: opts}
	m.Options.Rules = nil
	for i, r := range opts.Rules {
		c, err := r.compile(opts.Trust != nil)
		if err != nil {
			errs = append(errs, fmt.Errorf("Rules[%d]: %w", i, err))
		}
		m.rules = append(m.rules, c)
	}
	m.careful = careful(opts)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("poolhttp: %w", err)
	}
	return m.wrap, nil
}

type middleware struct {
	Options
	rules   []rule
	careful rule // of requests whose path is not one thing to all routers
}

// A router knows which pattern a request will be served by, as http.ServeMux does.
type router interface {
	Handler(*http.Request) (http.Handler, string)
}

func (m *middleware) wrap(next http.Handler) http.Handler {
	routes, _ := next.(router)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := m.prepare(r, routes)
		defer cancel()
		if m.ServerTiming != nil && m.ServerTiming(r) {
			ctx = Track(ctx)
			answer := watch(w, tallyOf(ctx))
			next.ServeHTTP(answer.writer, r.WithContext(ctx))
			answer.begin() // of an answer without a body
			return
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// prepare returns the context of a request's calls.
func (m *middleware) prepare(r *http.Request, routes router) (context.Context, context.CancelFunc) {
	ctx := r.Context()
	believed := believer{m.Trust, r, unknown}
	call, _ := priority.FromContext(ctx)
	rule := m.rule(r, &believed, routes)
	left := m.Timeout
	if rule != nil {
		call.Class = rule.Class
		call.ReadOnly = call.ReadOnly || rule.ReadOnly
		if rule.Timeout != 0 {
			left = max(rule.Timeout, 0)
		}
	}
	call.Label = labelOf(r, rule, routes, call.Label)
	if m.Tenant != nil {
		if tenant := m.Tenant(r); tenant != "" {
			call.Tenant = tenant
		}
	}
	if class, ok := believed.class(m.ClassHeader); ok {
		call.Class = class
	}
	if tenant, ok := believed.tenant(m.TenantHeader); ok {
		call.Tenant = tenant
	}
	ctx = priority.NewContext(ctx, call)
	if said, ok := believed.timeout(m.TimeoutHeader); ok && (left == 0 || said < left) {
		return context.WithTimeout(ctx, said)
	}
	if left > 0 {
		return context.WithTimeout(ctx, left)
	}
	return ctx, func() {}
}

// rule returns the first that matches, nil if none does.
func (m *middleware) rule(r *http.Request, believed *believer, routes router) *rule {
	ambiguous := len(m.rules) > 0 && routes == nil && ambiguous(r.URL)
	for i := range m.rules {
		rule := &m.rules[i]
		if rule.mux != nil {
			if ambiguous {
				return &m.careful
			}
			if _, pattern := rule.mux.Handler(r); pattern == "" {
				continue
			}
		}
		if rule.header == "" {
			return rule
		}
		if value, ok := believed.header(rule.header); ok && value == rule.value {
			return rule
		}
	}
	return nil
}

// labelOf returns what the calls of a request are named.
func labelOf(r *http.Request, rule *rule, routes router, before string) string {
	if rule != nil && rule.Label != "" {
		return rule.Label
	}
	if before != "" {
		return before
	}
	if routes != nil {
		if _, pattern := routes.Handler(r); pattern != "" {
			return pattern
		}
	}
	return r.Pattern // of a mux outside, which knows less than one inside
}

// A believer knows whether a request's headers are believed, and asks once.
type believer struct {
	trust   func(*http.Request) bool
	r       *http.Request
	trusted answer
}

// An answer to whether a request is trusted.
type answer uint8

const (
	unknown answer = iota
	yes
	no
)

// header returns the value of a header that is there once, of a request that is trusted.
func (b *believer) header(name string) (string, bool) {
	if name == "" {
		return "", false
	}
	values := b.r.Header.Values(name)
	if len(values) != 1 {
		return "", false // of two nobody knows which one a proxy has looked at
	}
	if b.trusted == unknown {
		b.trusted = no
		if b.trust != nil && b.trust(b.r) {
			b.trusted = yes
		}
	}
	return values[0], b.trusted == yes
}

func (b *believer) class(name string) (priority.Class, bool) {
	value, ok := b.header(name)
	if !ok {
		return 0, false
	}
	return parseClass(value)
}

func (b *believer) tenant(name string) (string, bool) {
	value, ok := b.header(name)
	return value, ok && isTenant(value)
}

func (b *believer) timeout(name string) (time.Duration, bool) {
	value, ok := b.header(name)
	if !ok {
		return 0, false
	}
	return ParseTimeout(name, value)
}
