package poolhttp

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/poolsql/poolsql/priority"
)

// maxTenant is how many bytes of a tenant a header may have: it is kept in memory for as long as the tenant owes something.
const maxTenant = 64

// maxClass is longer than any class, so that what is compared is short.
const maxClass = 16

// parseClass returns the class that a header says. Unlike [priority.ParseClass] it takes nothing for none.
func parseClass(value string) (priority.Class, bool) {
	if value == "" || len(value) > maxClass {
		return 0, false
	}
	class, err := priority.ParseClass(value)
	return class, err == nil && strings.TrimSpace(value) != ""
}

// isTenant reports whether a header's value can name a tenant.
func isTenant(value string) bool {
	return value != "" && len(value) <= maxTenant && utf8.ValidString(value) &&
		!strings.ContainsFunc(value, func(c rune) bool { return !unicode.IsPrint(c) })
}

// ParseTimeout returns how much time is left, by the value of a header of that name, and whether it says so. The name decides the
// form, as several are in use:
//
//   - Grpc-Timeout: at most eight digits and a unit, one of H, M, S, m, u, n: "250m" is 250 milliseconds;
//   - a name that ends in "-Ms", such as X-Envoy-Expected-Rq-Timeout-Ms: milliseconds, "250";
//   - any other, such as Request-Timeout: seconds, "0.25", or a number with its unit, "250ms" or "2s".
//
// Zero means that there is none left. A negative time, one of more than a day, and anything else, is not understood.
func ParseTimeout(name, value string) (left time.Duration, ok bool) {
	if len(value) == 0 || len(value) > 16 {
		return 0, false
	}
	switch {
	case strings.EqualFold(name, "Grpc-Timeout"):
		return parseGRPCTimeout(value)
	case len(name) > 3 && strings.EqualFold(name[len(name)-3:], "-Ms"):
		return parseNumber(value, time.Millisecond)
	}
	if number, ok := strings.CutSuffix(value, "ms"); ok {
		return parseNumber(number, time.Millisecond)
	}
	number, _ := strings.CutSuffix(value, "s")
	return parseNumber(number, time.Second)
}

// maxLeft is above what a caller can mean.
const maxLeft = 24 * time.Hour

// grpcUnits are those of gRPC over HTTP/2.
var grpcUnits = map[byte]time.Duration{
	'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
}

func parseGRPCTimeout(value string) (time.Duration, bool) {
	digits, unit := value[:len(value)-1], grpcUnits[value[len(value)-1]]
	if unit == 0 || len(digits) > 8 || strings.Contains(digits, ".") {
		return 0, false
	}
	return parseNumber(digits, unit)
}

// parseNumber reads digits with at most one point among them: no sign, no exponent, no infinity.
func parseNumber(s string, unit time.Duration) (time.Duration, bool) {
	if strings.Trim(s, "0123456789.") != "" || strings.Count(s, ".") > 1 || strings.Trim(s, ".") == "" {
		return 0, false
	}
	if strings.ContainsFunc(s, func(c rune) bool { return c != '.' && (c < '0' || c > '9') }) {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || n*float64(unit) > float64(maxLeft) {
		return 0, false
	}
	return time.Duration(math.Round(n * float64(unit))), true
}
