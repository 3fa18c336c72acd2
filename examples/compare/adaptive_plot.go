package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/poolsql/poolsql"
)

//go:embed adaptive.svg.tmpl
var adaptiveText string

var adaptiveTemplate = template.Must(template.New("adaptive").Parse(adaptiveText))

const (
	adaptiveBin   = 500 * time.Millisecond
	adaptivePhase = 25 * time.Second
	topAdaptive   = 20_000.0 // queries a second
	lowAdaptive   = 100.0
)

// drawAdaptive runs the workloads of P one after the other on a pool with AdaptiveLimit, the first once more at the end, and draws
// what becomes of throughput and limit.
func drawAdaptive(ctx context.Context, l *lab, folder string) (err error) {
	bin := adaptiveBin / time.Duration(l.scale(1, 20))
	phase := adaptivePhase / time.Duration(l.scale(1, 20))
	pool, err := openAdaptive(ctx, l, poolsql.Config{MaxConns: adaptiveMost, AdaptiveLimit: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.close()) }()
	order := append(append([]workload{}, workloads...), workloads[0])
	total := phase * time.Duration(len(order))
	p := plot{Title: fmt.Sprintf("100 callers, at most %d connections, AdaptiveLimit: another workload every %.0f seconds", adaptiveMost, phase.Seconds())}
	var rate, limits strings.Builder
	begin, before := time.Now(), pool.answered()
	for i, w := range order {
		x := plotLeft + plotWidth*float64(i)/float64(len(order))
		p.TimeX = append(p.TimeX, mark{x, w.name})
		crowd := startCrowd(ctx, 100, pool.runs(w))
		for last := time.Since(begin); time.Since(begin) < phase*time.Duration(i+1); {
			time.Sleep(bin)
			at, s := time.Since(begin), pool.stats()
			x := plotLeft + plotWidth*min(1, at.Seconds()/total.Seconds())
			got := float64(s.ReleaseCount-before) / (at - last).Seconds()
			before, last = s.ReleaseCount, at
			fmt.Fprintf(&rate, "%.1f,%.1f ", x, adaptiveY(got))
			fmt.Fprintf(&limits, "%.1f,%.1f ", x, lowerBottom-lowerHigh*float64(s.Limit)/adaptiveMost)
		}
		crowd.stop()
		before = pool.answered()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	p.Upper = []curve{{"queries a second", "high", rate.String()}}
	p.Lower = []curve{{"limit", "low", limits.String()}}
	for _, r := range []float64{100, 1000, 10_000} {
		p.UpperY = append(p.UpperY, mark{adaptiveY(r), fmt.Sprint(r)})
	}
	for n := 0; n <= adaptiveMost; n += 16 {
		p.LowerY = append(p.LowerY, mark{lowerBottom - lowerHigh*float64(n)/adaptiveMost, fmt.Sprint(n)})
	}
	f, err := os.Create(filepath.Join(folder, "adaptive.svg"))
	if err != nil {
		return err
	}
	return errors.Join(adaptiveTemplate.Execute(f, p), f.Close())
}

// adaptiveY is on a logarithmic axis.
func adaptiveY(rate float64) float64 {
	rate = min(max(rate, lowAdaptive), topAdaptive)
	return upperBottom - upperHigh*math.Log(rate/lowAdaptive)/math.Log(topAdaptive/lowAdaptive)
}
