package poolotel_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

const (
	plainText   = "text/plain; version=0.0.4"
	openMetrics = "application/openmetrics-text; version=1.0.0"
)

// scrape returns what h answers to a scraper that takes this format.
func scrape(tb testing.TB, h http.Handler, format string) string {
	tb.Helper()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", format)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		tb.Fatalf("status %d: %s", w.Code, w.Body)
	}
	media, _, _ := strings.Cut(format, ";")
	if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, media) {
		tb.Fatalf("the answer is %q, asked for %q", got, format)
	}
	return w.Body.String()
}

// A sample is one line of a scrape.
type sample struct {
	name, labels string // of the labels, with their braces
	value        float64
}

// samples are the lines of a scrape that have values.
func samples(tb testing.TB, text string) (all []sample) {
	tb.Helper()
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		series, value, ok := cutLast(strings.TrimSpace(line), " ")
		v, err := strconv.ParseFloat(value, 64)
		if !ok || err != nil {
			tb.Fatalf("not a sample: %q", line)
		}
		s := sample{name: series, value: v}
		if i := strings.IndexByte(series, '{'); i >= 0 {
			s.name, s.labels = series[:i], series[i:]
		}
		all = append(all, s)
	}
	return all
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// total returns the sum of the samples of this name that have each of these labels.
func total(all []sample, name string, labels ...string) (sum float64) {
next:
	for _, s := range all {
		if s.name != name {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(s.labels, l) {
				continue next
			}
		}
		sum += s.value
	}
	return sum
}

// expect fails the test unless that total is what is wanted.
func expect(tb testing.TB, all []sample, want float64, name string, labels ...string) {
	tb.Helper()
	if got := total(all, name, labels...); got != want {
		tb.Errorf("%s%v is %v, want %v", name, labels, got, want)
	}
}
