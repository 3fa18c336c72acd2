package pooldriver

import (
	"context"
	"errors"
	"strings"

	"github.com/poolsql/poolsql/lifecycle"
)

// StrainOf reports whether err, of an operation or of a connection that could not be opened, says that the server is asked more than
// it can do, and how. That a caller left says nothing, nor does a statement that was never sent.
func StrainOf(err error) (lifecycle.Strain, bool) {
	switch code := sqlState(err); {
	case strings.HasPrefix(code, classResources):
		return lifecycle.StrainNoRoom, true
	case code == codeCannotConnectNow:
		return lifecycle.StrainNotReady, true
	}
	var ended *TimeoutError
	if errors.As(err, &ended) {
		over := ended.Limit == LimitStatement || ended.Limit == LimitTransaction || ended.Limit == LimitContext
		return lifecycle.StrainTimeout, over && !ended.Unsent
	}
	return lifecycle.StrainTimeout, errors.Is(err, context.DeadlineExceeded) && !neverRan(err)
}
