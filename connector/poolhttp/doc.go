// Package poolhttp is where requests of HTTP become calls of a pool, and where a pool's refusals become answers.
//
//	prepare, err := poolhttp.New(poolhttp.Options{
//		Timeout: 5 * time.Second,
//		Rules: []poolhttp.Rule{
//			{Pattern: "POST /orders", Class: priority.High},
//			{Pattern: "/reports/", Class: priority.Low, Timeout: time.Minute, ReadOnly: true},
//		},
//	})
//	…
//	mux.Handle("GET /items/{id}", poolhttp.Handler(showItem, otherErrors))
//	err = http.ListenAndServe(addr, prepare(mux))
//
// What [New] returns gives each request's context a class, a label, a tenant and a deadline, by rules of the program's. Every
// statement that runs under the context of the request has them; no handler is changed for it.
//
// # Headers
//
// A header says what its sender likes. None is read unless the program names it, and then only of requests that
// [Options].Trust vouches for: [FromNetworks] is for the addresses of one's own proxies, and a function of the program's for
// certificates or tokens. What a trusted header says is still bounded: a class is one of three, a tenant is short and without
// control characters, a deadline can only come sooner than the rule's. A header that comes twice, or that cannot be read, is
// as one that is not there. A proxy that is trusted must take these headers out of what clients send it: what it lets through
// is believed.
//
// # Errors
//
// A handler that returns its error is made by [Handler]: what the pool refused is answered with 503 and a Retry-After, what
// timed out with 504, and everything else goes to a function of the program's. [Error] does the same inside a handler that
// has the usual signature, and [Status] decides both, for other protocols too. Clients get a fixed sentence, and never the text
// of an error.
//
// 503 is said where the call that failed has not run, or nothing is left of it, so that a request which is one call or one
// transaction may be sent again whatever it does. An outcome that nobody knows, [pooldriver.CommitError] and
// [pooldriver.UnknownError], is never turned into one: it goes to the program's function, which knows what a repetition would do.
//
// # Server-Timing
//
// Where [Options].ServerTiming says so, answers tell browsers and proxies where the time went: "queue" is how long the request's
// calls waited for connections, "db" how long their operations took, until the answer's first byte. The pool has to tell:
// pool.Observe(poolhttp.Timings()), once. Without such an observer the header is left out. A program that logs its requests finds
// the same in [SpentOf].
//
// The package needs nothing beside the standard library and the pool. It is apart from package connector so that a program
// without HTTP does not link net/http.
package poolhttp
