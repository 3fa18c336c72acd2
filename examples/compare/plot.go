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
	"github.com/poolsql/poolsql/priority"
)

//go:embed plot.svg.tmpl
var plotText string

var plotTemplate = template.Must(template.New("plot").Parse(plotText))

// A plot is two panels over time: answers a second, and the latency that 99 of 100 stay below, on a logarithmic axis.
type plot struct {
	Title         string
	Upper, Lower  []curve
	UpperY, TimeX []mark
	LowerY        []mark
}

type curve struct{ Name, Class, Points string }

type mark struct {
	At   float64
	Text string
}

// The picture, in pixels; the template has the same numbers.
const (
	plotLeft, plotWidth    = 60.0, 640.0
	upperBottom, upperHigh = 200.0, 150.0
	lowerBottom, lowerHigh = 400.0, 150.0
	plotBin                = 200 * time.Millisecond
)

// drawOverload runs the load of I/classes, light at first and at the end, with and without Shedding, and draws both.
func drawOverload(ctx context.Context, folder string, quick bool) error {
	second := time.Second
	if quick {
		second /= 20
	}
	streams := func(rate float64, from, to time.Duration) []stream {
		const deadline = 250 * time.Millisecond
		return []stream{
			{perSecond: rate / 10, deadline: deadline, mark: important, from: from, to: to},
			{perSecond: rate * 9 / 10, deadline: deadline, mark: unimportant, from: from, to: to},
		}
	}
	loop := openLoop{duration: 10 * second, streams: append(streams(1000, 0, 10*second), streams(1400, 2*second, 8*second)...)}
	for name, mode := range map[string]priority.Shedding{"without": priority.ShedOff, "with": priority.ShedOn} {
		client, err := openPoolsqlWith(poolsql.Config{Shedding: mode}).onStandin(ctx, &standin{work: 5 * time.Millisecond, spread: callSpread}, size{openConns, openConns})
		if err != nil {
			return err
		}
		out := loop.run(ctx, client.exec)
		if err := errors.Join(ctx.Err(), client.close()); err != nil {
			return err
		}
		p := plot{Title: fmt.Sprintf("2,400 calls a second from 2 s to 8 s, 1,000 before and after, on 1,500: %s Shedding", name)}
		p.add("high", loop.duration, out[0], out[2])
		p.add("low", loop.duration, out[1], out[3])
		p.axes(loop.duration)
		f, err := os.Create(filepath.Join(folder, "overload-"+name+".svg"))
		if err != nil {
			return err
		}
		if err := errors.Join(plotTemplate.Execute(f, p), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

const topRate, topLatency, lowLatency = 2500.0, 1000.0, 1.0

// add draws what became of the callers of one class.
func (p *plot) add(class string, duration time.Duration, outcomes ...[]arrival) {
	bins := int(duration / plotBin)
	byBin := make([][]arrival, bins)
	for _, stream := range outcomes {
		for _, a := range stream {
			if i := int(a.at / plotBin); i < bins {
				byBin[i] = append(byBin[i], a)
			}
		}
	}
	var rate, latency strings.Builder
	for i, bin := range byBin {
		took := useful(bin)
		x := plotLeft + plotWidth*(float64(i)+0.5)/float64(bins)
		fmt.Fprintf(&rate, "%.1f,%.1f ", x, upperBottom-upperHigh*float64(len(took))/plotBin.Seconds()/topRate)
		if len(took) > 0 {
			fmt.Fprintf(&latency, "%.1f,%.1f ", x, latencyY(percentileOf(took, 0.99)))
		}
	}
	p.Upper = append(p.Upper, curve{class, class, rate.String()})
	p.Lower = append(p.Lower, curve{class, class, latency.String()})
}

func latencyY(ms float64) float64 {
	return lowerBottom - lowerHigh*math.Log(max(ms, lowLatency)/lowLatency)/math.Log(topLatency/lowLatency)
}

func (p *plot) axes(duration time.Duration) {
	for rate := 0.0; rate <= topRate; rate += 500 {
		p.UpperY = append(p.UpperY, mark{upperBottom - upperHigh*rate/topRate, fmt.Sprint(rate)})
	}
	for _, ms := range []float64{1, 10, 100, 1000} {
		p.LowerY = append(p.LowerY, mark{latencyY(ms), fmt.Sprintf("%g ms", ms)})
	}
	for i := range 11 {
		p.TimeX = append(p.TimeX, mark{plotLeft + plotWidth*float64(i)/10, fmt.Sprintf("%g s", duration.Seconds()*float64(i)/10)})
	}
}
