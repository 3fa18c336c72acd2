package poolhttp_test

import (
	"strings"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector/poolhttp"
)

func TestATimeoutIsReadInTheFormOfItsHeader(t *testing.T) {
	const none = -1
	for _, tt := range []struct {
		name, value string
		want        time.Duration
	}{
		{"Request-Timeout", "2", 2 * time.Second},
		{"Request-Timeout", "0.25", 250 * time.Millisecond},
		{"Request-Timeout", ".5", 500 * time.Millisecond},
		{"Request-Timeout", "2.", 2 * time.Second},
		{"Request-Timeout", "2s", 2 * time.Second},
		{"Request-Timeout", "1.5s", 1500 * time.Millisecond},
		{"Request-Timeout", "250ms", 250 * time.Millisecond},
		{"Request-Timeout", "0", 0},
		{"Request-Timeout", "86400", 24 * time.Hour},
		{"Request-Timeout", "86401", none},
		{"Request-Timeout", "100m", none}, // minutes to Go, milliseconds to gRPC
		{"Request-Timeout", "-1", none},
		{"Request-Timeout", "+1", none},
		{"Request-Timeout", "1e3", none},
		{"Request-Timeout", "0x10", none},
		{"Request-Timeout", "1_000", none},
		{"Request-Timeout", "inf", none},
		{"Request-Timeout", "NaN", none},
		{"Request-Timeout", "1.2.3", none},
		{"Request-Timeout", ".", none},
		{"Request-Timeout", "", none},
		{"Request-Timeout", "s", none},
		{"Request-Timeout", "ms", none},
		{"Request-Timeout", " 1", none},
		{"Request-Timeout", strings.Repeat("0", 16) + "1", none},
		{"Grpc-Timeout", "250m", 250 * time.Millisecond},
		{"grpc-timeout", "1S", time.Second},
		{"Grpc-Timeout", "2M", 2 * time.Minute},
		{"Grpc-Timeout", "1H", time.Hour},
		{"Grpc-Timeout", "99999999u", 99999999 * time.Microsecond},
		{"Grpc-Timeout", "5n", 5},
		{"Grpc-Timeout", "123456789u", none},
		{"Grpc-Timeout", "1.5S", none},
		{"Grpc-Timeout", "25H", none},
		{"Grpc-Timeout", "1", none},
		{"Grpc-Timeout", "S", none},
		{"X-Envoy-Expected-Rq-Timeout-Ms", "250", 250 * time.Millisecond},
		{"X-Envoy-Expected-Rq-Timeout-Ms", "250ms", none},
	} {
		got, ok := poolhttp.ParseTimeout(tt.name, tt.value)
		if !ok {
			got = none
		}
		if got != tt.want {
			t.Errorf("%s: %s: got %s, want %s", tt.name, tt.value, got, tt.want)
		}
	}
}

// FuzzTimeout holds that whatever a header says, the time is one that can be waited for, and that nothing panics.
func FuzzTimeout(f *testing.F) {
	for _, value := range []string{"1", "0.5s", "250ms", "99999999n", "1e9", "-0", "1H", ".", "٣"} {
		f.Add("Request-Timeout", value)
		f.Add("Grpc-Timeout", value)
		f.Add("x-ms", value)
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		left, ok := poolhttp.ParseTimeout(name, value)
		switch {
		case !ok && left != 0:
			t.Errorf("%q: %q: not understood, and yet %s", name, value, left)
		case ok && (left < 0 || left > 24*time.Hour):
			t.Errorf("%q: %q: %s", name, value, left)
		case ok && strings.Trim(value, "0123456789.HMSmuns") != "":
			t.Errorf("%q: %q was understood", name, value)
		}
	})
}
