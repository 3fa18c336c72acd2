package lifecycle

import (
	"errors"
	"log/slog"

	"github.com/poolsql/poolsql/priority"
)

// The names of the attributes are those of the metrics and the spans, so that one search finds all three. Times are
// seconds.
const (
	attrEvent    = "poolsql.event"
	attrPool     = "db.client.connection.pool.name"
	attrResource = "poolsql.connection.id"
	attrClass    = "poolsql.class"
	attrLabel    = "db.query.summary"
	attrTenant   = "poolsql.tenant"
	attrUser     = "poolsql.user"
	attrReason   = "poolsql.reason"
	attrWait     = "poolsql.wait_time"
	attrDuration = "poolsql.duration"
	attrCount    = "poolsql.count"
	attrBefore   = "poolsql.count.before"
	attrRows     = "db.response.returned_rows"
	attrScore    = "poolsql.health.score"
	attrHealth   = "poolsql.health.status"
	attrError    = "error.type"
	attrOutcome  = "poolsql.outcome"
	attrMode     = "poolsql.exec_mode"
	attrShedding = "poolsql.shedding"
	attrLag      = "poolsql.route.lag"
	attrStatus   = "db.response.status_code"
	attrMessage  = "exception.message"
	attrDetail   = "db.query.text"
	attrStack    = "code.stacktrace"
	attrOmitted  = "poolsql.omitted"
	attrInterval = "poolsql.interval"
)

var logMessages = [numKinds]string{
	KindAcquire:        "lent",
	KindRelease:        "given back",
	KindRefuse:         "caller turned away",
	KindTimeout:        "caller waited in vain",
	KindCreate:         "opened",
	KindCreateError:    "cannot open",
	KindDestroy:        "closed",
	KindDestroyError:   "closed, but not in order",
	KindInvalid:        "found to be of no use and replaced",
	KindEviction:       "idle ones are being closed",
	KindReleaseUnknown: "released by somebody who did not hold it",
	KindInitialized:    "initialized",
	KindWarmupComplete: "warmed up",
	KindResize:         "resized",
	KindReset:          "every one is being replaced",
	KindCleared:        "queue cleared",
	KindDrainStarted:   "draining",
	KindDrainComplete:  "drained",
	KindClosed:         "closed for good",
	KindOperation:      "operation ended",
	KindError:          "operation failed",
	KindRebound:        "check-in was not told, taken back at the next check-out",
	KindHealthCheck:    "health judged",
	KindHealthWarning:  "health is wanting",
	KindHealthError:    "health probe failed",
	KindLeak:           "held for too long, perhaps leaked",
	KindNested:         "asked for another while holding one",
	KindSuspended:      "suspended",
	KindResumed:        "resumed",
	KindRetired:        "found useless together and retired",
	KindRetry:          "operation is tried again",
	KindCancel:         "operation canceled on the server",
	KindPooler:         "there is a pooler before the server",
	KindCoalesced:      "operation was shared by several callers",
	KindRouteOut:       "route is not chosen at present",
	KindRouteBack:      "route is chosen again",
	KindLimit:          "limit has changed",
	KindRouteBehind:    "route is too far behind and not chosen at present",
	KindOverload:       "overloaded: more callers come than can be served",
	KindRelief:         "overloaded no more",
}

func logMessage(k Kind) string {
	if k < numKinds && logMessages[k] != "" {
		return "poolsql: " + logMessages[k]
	}
	return "poolsql: " + k.String()
}

// LogLevel says how much an event matters, unless [LogOptions] say otherwise: Error for what needs somebody now, Warn for
// what callers suffer from or what looks like a mistake of the program, Info for what somebody did to the pool, Debug for
// its daily life.
func LogLevel(e Event) slog.Level {
	switch e.Kind {
	case KindHealthError:
		return slog.LevelError
	case KindTimeout, KindCreateError, KindLeak, KindNested, KindRetired, KindHealthWarning, KindReleaseUnknown, KindRebound,
		KindRouteOut, KindRouteBehind, KindOverload:
		return slog.LevelWarn
	case KindRefuse:
		return logLevelOfRefusal(e.Refusal)
	case KindCleared:
		if e.Count > 0 {
			return slog.LevelWarn
		}
		return slog.LevelInfo
	case KindPooler:
		if e.Err != nil {
			return slog.LevelWarn
		}
		return slog.LevelInfo
	case KindInvalid, KindInitialized, KindWarmupComplete, KindResize, KindReset, KindDrainStarted, KindDrainComplete,
		KindClosed, KindSuspended, KindResumed, KindRouteBack, KindRelief:
		return slog.LevelInfo
	case KindDestroy, KindDestroyError, KindEviction:
		return logLevelOfEnd(e.Reason)
	case KindLimit:
		return logLevelOfLimit(LimitReason(e.Code))
	default:
		return slog.LevelDebug
	}
}

// logLevelOfRefusal has who left by himself for nobody's trouble, and who came too late for news of the end.
func logLevelOfRefusal(r priority.Reason) slog.Level {
	switch r {
	case priority.Canceled:
		return slog.LevelDebug
	case priority.Closed:
		return slog.LevelInfo
	default:
		return slog.LevelWarn
	}
}

// logLevelOfEnd tells ends that were to come from those that something caused.
func logLevelOfEnd(r EndReason) slog.Level {
	switch r {
	case EndBusy, EndPanicked:
		return slog.LevelWarn
	case EndInvalid, EndBroken, EndEvicted:
		return slog.LevelInfo
	default:
		return slog.LevelDebug
	}
}

// logAttrs returns what e holds.
func logAttrs(e *Event) []slog.Attr {
	attrs := make([]slog.Attr, 0, 12)
	add := func(set bool, a slog.Attr) {
		if set {
			attrs = append(attrs, a)
		}
	}
	called := hasCaller(e.Kind)
	add(true, slog.String(attrEvent, e.Kind.String()))
	add(e.Pool != "", slog.String(attrPool, e.Pool))
	add(e.Resource != 0, slog.Uint64(attrResource, e.Resource))
	add(called, slog.String(attrClass, e.Class.String()))
	add(e.Label != "", slog.String(attrLabel, e.Label))
	add(e.Tenant != "", slog.String(attrTenant, e.Tenant))
	add(e.User != "", slog.String(attrUser, e.User))
	add(e.Refusal != priority.None, slog.String(attrReason, e.Refusal.String()))
	add(e.Reason != EndNone, slog.String(attrReason, e.Reason.String()))
	add(e.Wait != 0 || called && e.Refusal != priority.None, slog.Float64(attrWait, e.Wait.Seconds()))
	add(e.Duration != 0, slog.Float64(durationKey(e.Kind), e.Duration.Seconds()))
	switch e.Kind {
	case KindOperation, KindError:
		add(e.Count >= 0, slog.Int(attrRows, e.Count))
	case KindHealthCheck, KindHealthWarning:
		attrs = append(attrs, slog.Int(attrScore, e.Count))
	case KindLimit:
		attrs = append(attrs, slog.Int(attrBefore, e.Before), slog.Int(attrCount, e.Count))
	default:
		add(e.Count != 0, slog.Int(attrCount, e.Count))
	}
	add(e.Code != "", slog.String(codeKey(e.Kind), e.Code))
	add(isSQLState(e.Code), slog.String(attrStatus, e.Code))
	if e.Err != nil {
		attrs = append(attrs, errorAttr(e.Err))
	}
	add(e.Detail != "", slog.String(attrDetail, e.Detail))
	add(len(e.Stack) > 0, slog.String(attrStack, FormatStack(e.Stack)))
	return attrs
}

// hasCaller reports whether events of kind k are about a caller, or a class of them, whose class, if it is Normal, is a zero like none.
func hasCaller(k Kind) bool {
	switch k {
	case KindAcquire, KindRelease, KindRefuse, KindTimeout, KindOperation, KindError, KindLeak, KindNested, KindRetry,
		KindCoalesced, KindOverload, KindRelief:
		return true
	default:
		return false
	}
}

// codeKey names what the Code of an event of kind k is.
func codeKey(k Kind) string {
	switch k {
	case KindCancel:
		return attrOutcome
	case KindPooler:
		return attrMode
	case KindLimit:
		return attrReason
	case KindOverload, KindRelief:
		return attrShedding
	case KindHealthCheck, KindHealthWarning:
		return attrHealth
	default:
		return attrError
	}
}

// durationKey names what the Duration of an event of kind k is.
func durationKey(k Kind) string {
	if k == KindRouteBehind {
		return attrLag
	}
	return attrDuration
}

// isSQLState reports whether a code is one of the server's, and no word for another kind of failure.
func isSQLState(code string) bool {
	if len(code) != 5 {
		return false
	}
	for _, c := range []byte(code) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// errorAttr returns what may be told of an error: its text, but the SQLSTATE alone if a server said it, whose text may
// quote data. Whoever passes events on to many takes such texts out before; a pool that is used on its own does not.
func errorAttr(err error) slog.Attr {
	var said interface{ SQLState() string }
	if errors.As(err, &said) {
		return slog.String(attrStatus, said.SQLState())
	}
	return slog.String(attrMessage, err.Error())
}
