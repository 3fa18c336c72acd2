package poolhttp

import (
	"net/url"
	"path"
	"strings"

	"github.com/poolsql/poolsql/priority"
)

// ambiguous reports whether u's path is not the same to all routers: it has dots or slashes that http.ServeMux takes out, by a
// redirect, and others leave in, or a slash that is escaped, which is part of a name to some. Where a rule reads the one and a
// router serves the other, clients would have another route's class.
func ambiguous(u *url.URL) bool {
	if u.RawPath != "" && strings.Count(u.Path, "/") != strings.Count(u.EscapedPath(), "/") {
		return true
	}
	p := u.Path
	if p == "" || p[0] != '/' {
		p = "/" + p // what http.StripPrefix may leave
	}
	clean := path.Clean(p)
	return p != clean && (clean == "/" || p != clean+"/")
}

// careful returns the rule for ambiguous paths: nobody comes by one to a better class, or to more time, than by any other.
func careful(opts Options) rule {
	c := rule{Rule: Rule{Class: priority.Normal, Timeout: opts.Timeout}}
	for _, r := range opts.Rules {
		c.Class = min(c.Class, r.Class)
		if r.Timeout > 0 && (c.Timeout == 0 || r.Timeout < c.Timeout) {
			c.Timeout = r.Timeout
		}
	}
	return c
}
