package poolhttp

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/poolsql/poolsql/priority"
)

// None as the Timeout of a [Rule] is no deadline, for what streams.
const None time.Duration = -1

// Options say what of a request becomes what of its calls. [New] copies them. The zero value labels calls by the pattern of the
// handler that serves the request, and does nothing else.
type Options struct {
	// Rules are for requests of some kinds. The first that matches counts, and no other.
	Rules []Rule
	// Timeout is how long a request may take that no rule gives another time. Its context ends then, the calls of the pool with it.
	// Reading its body and writing its answer do not: [http.Server] has ReadTimeout and WriteTimeout for that. Zero is no limit.
	Timeout time.Duration
	// Tenant, if set, returns on whose behalf a request is made, empty if on nobody's: what the program's authentication
	// has found out and left in the request's context, say.
	Tenant func(*http.Request) string

	// Trust, if set, reports whether the headers below are believed of a request. Without it none can be named.
	// It is called once for a request, where there is something to believe. It vouches for who sends the request on, not for who
	// wrote the header: a proxy that is trusted has to remove these headers from what clients send it, and those of Rules, or
	// set them itself. One that adds its own beside a client's makes them two, and those are none.
	Trust func(*http.Request) bool
	// ClassHeader names the header in which trusted requests say their class: high, normal or low. It counts more than the
	// rule's class. Empty is none.
	ClassHeader string
	// TenantHeader names the one in which they say on whose behalf they are made. It counts more than Tenant. Empty is none.
	TenantHeader string
	// TimeoutHeader names the one in which they say how much time they have left. It can shorten what the rule or Timeout
	// allows, and never lengthen it. Its form is that of [ParseTimeout]. Empty is none.
	TimeoutHeader string

	// ServerTiming, if set, reports whether the answer to a request tells the time that its calls have waited and taken.
	// Whoever sees that sees how busy the database is: [Anyone] is for services whose clients may. It is a header, so an answer
	// that is streamed tells what was spent before its first byte.
	ServerTiming func(*http.Request) bool
}

// A Rule says what becomes of requests of one kind.
type Rule struct {
	// Pattern is which requests it is for, in the language of [http.ServeMux]: "/reports/", "POST /orders", "GET
	// api.example.com/items/{id}". Empty is every request. It is held against the request as it comes to the middleware, host
	// and all as the client says.
	//
	// Where the middleware is not straight around a ServeMux, a path that routers may differ in, with "//", "/../" or an escaped
	// slash, gets the lowest class and the shortest time of all rules, and no label of one. Routers that take no care of letters'
	// case or of a slash at the end differ from patterns in that, too: wrap what they have routed instead, without a Pattern.
	Pattern string
	// Header, as "Name: value", narrows it down to requests that are trusted and have exactly that. Empty is all.
	Header string

	// Class is the class of their calls. Zero is Normal.
	Class priority.Class
	// Label names their calls. Empty is the pattern of the handler that serves the request.
	Label string
	// Timeout is how long they may take. Zero is Options.Timeout; None is no limit.
	Timeout time.Duration
	// ReadOnly says that they only read, so that a replica may serve them.
	ReadOnly bool
}

// Anyone returns true: for Options.Trust of a service that only its own proxies reach, and for Options.ServerTiming.
func Anyone(*http.Request) bool { return true }

// FromNetworks returns a function for Options.Trust: whether the request comes straight from an address in one of these
// networks, such as "10.0.0.0/8", or from one of these addresses. It fails if one of them is neither, or if there is none.
//
// No header is asked for that, but r.RemoteAddr: middleware that puts there what a header says, X-Forwarded-For say, has to come
// behind this one, or clients choose their address.
func FromNetworks(networks ...string) (func(*http.Request) bool, error) {
	if len(networks) == 0 {
		return nil, errors.New("poolhttp: no network is given")
	}
	var prefixes []netip.Prefix
	for _, s := range networks {
		prefix, err := netip.ParsePrefix(s)
		if err != nil {
			addr, err := netip.ParseAddr(s)
			if err != nil {
				return nil, fmt.Errorf("poolhttp: %q is neither a network nor an address", s)
			}
			prefix = netip.PrefixFrom(addr.Unmap().WithZone(""), addr.Unmap().BitLen())
		}
		if mapped := prefix.Addr(); mapped.Is4In6() && prefix.Bits() >= 96 {
			prefix = netip.PrefixFrom(mapped.Unmap(), prefix.Bits()-96) // as the addresses that it is held against
		}
		prefixes = append(prefixes, prefix.Masked())
	}
	return func(r *http.Request) bool {
		from, ok := sender(r)
		return ok && slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(from) })
	}, nil
}

// sender returns the address that a request came from.
func sender(r *http.Request) (netip.Addr, bool) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, false // a Unix socket, say
	}
	addr, err := netip.ParseAddr(host)
	return addr.Unmap().WithZone(""), err == nil
}

// validate returns everything that is wrong with the options.
func (o *Options) validate() error {
	var errs []error
	if o.Timeout < 0 {
		errs = append(errs, errors.New("Timeout must not be negative"))
	}
	for _, h := range []struct{ field, name string }{
		{"ClassHeader", o.ClassHeader}, {"TenantHeader", o.TenantHeader}, {"TimeoutHeader", o.TimeoutHeader},
	} {
		switch {
		case h.name == "":
		case !isToken(h.name):
			errs = append(errs, fmt.Errorf("%s: %q cannot be a header's name", h.field, h.name))
		case o.Trust == nil:
			errs = append(errs, fmt.Errorf("%s is set and Trust is not: nobody's header would be believed", h.field))
		}
	}
	return errors.Join(errs...)
}

// A rule is a Rule that can be looked at.
type rule struct {
	Rule
	mux           *http.ServeMux // nil is every request
	header, value string
}

// compile returns the rule as it is looked at.
func (r Rule) compile(trusting bool) (c rule, err error) {
	c.Rule = r
	var errs []error
	if r.Pattern != "" {
		c.mux, err = muxOf(r.Pattern)
		errs = append(errs, err)
	}
	if r.Header != "" {
		name, value, ok := strings.Cut(r.Header, ":")
		c.header, c.value = http.CanonicalHeaderKey(name), strings.Trim(value, " \t")
		switch {
		case !ok || !isToken(name) || c.value == "":
			errs = append(errs, fmt.Errorf("Header %q: want a name, a colon and a value", r.Header))
		case !trusting:
			errs = append(errs, errors.New("Header is set and Options.Trust is not: nobody's header would be believed"))
		}
	}
	if !r.Class.Valid() {
		errs = append(errs, fmt.Errorf("Class: %d is none", int8(r.Class)))
	}
	if r.Timeout < 0 && r.Timeout != None {
		errs = append(errs, errors.New("Timeout must not be negative, except for None"))
	}
	return c, errors.Join(errs...)
}

// muxOf returns a mux that knows one pattern. What http.ServeMux has against it, it says by a panic.
func muxOf(pattern string) (mux *http.ServeMux, err error) {
	defer func() {
		if said := recover(); said != nil {
			err = fmt.Errorf("Pattern: %v", said)
		}
	}()
	mux = http.NewServeMux()
	mux.Handle(pattern, http.NotFoundHandler())
	return mux, nil
}

// isToken reports whether s can be the name of a header, by RFC 9110.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	})
}
