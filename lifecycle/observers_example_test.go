package lifecycle_test

import (
	"fmt"

	"github.com/poolsql/poolsql/lifecycle"
)

// Several observers as one; a nil one is left out.
func ExampleJoin() {
	say := func(who string) lifecycle.Observer {
		return lifecycle.ObserverFunc(func(e lifecycle.Event) { fmt.Println(who, "hears of", e.Kind) })
	}
	lifecycle.Join(say("the log"), nil, say("the alarm")).Observe(lifecycle.Event{Kind: lifecycle.KindLeak})
	// Output:
	// the log hears of leak
	// the alarm hears of leak
}

// Observers who come and go, and who are told what an edit leaves of events.
func ExampleNewObservers() {
	all := lifecycle.NewObservers(func(e *lifecycle.Event) { e.Detail = "" }) // of what was about to run, nothing is told
	remove := all.Add(lifecycle.ObserverFunc(func(e lifecycle.Event) { fmt.Printf("%s %q\n", e.Kind, e.Detail) }))
	all.Observe(lifecycle.Event{Kind: lifecycle.KindLeak, Detail: "select 'secret'"})
	remove()
	all.Observe(lifecycle.Event{Kind: lifecycle.KindLeak})
	// Output: leak ""
}
