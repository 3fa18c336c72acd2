package connector

import "fmt"

// A Fallback is why the connector's own connections served a read that a route was to serve.
type Fallback uint8

// The reasons.
const (
	// FallbackUnfit: no route was fit: each is ejected, too far behind, or has not answered yet.
	FallbackUnfit Fallback = iota
	// FallbackFresh: some are, but the read has to see a write, and none is known to have it.
	FallbackFresh
	// FallbackFailed: those that were tried had no connection to give.
	FallbackFailed
	// NumFallbacks is how many reasons there are.
	NumFallbacks
)

var fallbackNames = [NumFallbacks]string{"unfit", "not fresh", "failed"}

// String returns the reason in a word or two.
func (f Fallback) String() string {
	if f < NumFallbacks {
		return fallbackNames[f]
	}
	return fmt.Sprintf("Fallback(%d)", uint8(f))
}

// fellBack counts a read that the connector's own connections serve: it must see what was written at wrote, if that is not 0, and
// failed says that a route was tried.
func (rs *routes) fellBack(cfg *Config, wrote bool, failed bool) {
	why := FallbackUnfit
	switch {
	case failed:
		why = FallbackFailed
	case wrote && rs.choose(cfg, 0, 0) != nil:
		why = FallbackFresh
	}
	rs.fallbacks[why].Add(1)
}
