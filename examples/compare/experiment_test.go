package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// recorded is an experiment whose arms write down their turn and return values that tell arm and round.
func recorded(order *[]string, names ...string) (group, experiment) {
	g := group{title: "T", limit: time.Minute, columns: names, ratios: []ratio{{names[1], names[0]}}}
	e := experiment{name: "T/1", measures: []measure{{name: "x"}, {name: "events", total: true}}}
	for i, name := range names {
		rounds := 0
		e.arms = append(e.arms, func(context.Context) ([]float64, error) {
			*order = append(*order, name)
			rounds++
			return []float64{float64(i+1) * float64(rounds), 1}, nil
		})
	}
	g.experiments = []experiment{e}
	return g, e
}

func TestEveryPeerRunsOncePerRoundInRotatedOrder(t *testing.T) {
	var order []string
	g, e := recorded(&order, "a", "b", "c")
	if _, err := g.runExperiment(t.Context(), e, 4, io.Discard); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(order, ""), "abc"+"bca"+"cab"+"abc"; got != want {
		t.Errorf("order %q, want %q", got, want)
	}
}

func TestTableShowsMediansTotalsAndRatios(t *testing.T) {
	var order []string
	g, _ := recorded(&order, "a", "b")
	results, err := g.run(t.Context(), 3, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := g.print(&out, results); err != nil {
		t.Fatal(err)
	}
	want := `### T

| measure | a | b | b ÷ a |
| --- | ---: | ---: | ---: |
| x | 2 | 4 | 2 (2–2) |
| events | 3 | 3 | 1 (1–1) |

`
	if out.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", out.String(), want)
	}
}

func TestTableShowsTargetsBoundsAndWhatIsNotMeasured(t *testing.T) {
	returns := func(values ...float64) arm {
		return func(context.Context) ([]float64, error) { return values, nil }
	}
	g := group{title: "T", limit: time.Minute, columns: []string{"a", "b", "c"}, experiments: []experiment{{
		name:     "T/1",
		measures: []measure{{name: "wait (s)", digits: 2, bound: 20, target: "≤ 1"}, {name: "events"}},
		arms:     []arm{returns(19.994, 1), returns(20.1, 2), nil},
	}}}
	results, err := g.run(t.Context(), 3, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := g.print(&out, results); err != nil {
		t.Fatal(err)
	}
	want := `### T

| measure | a | b | c | target |
| --- | ---: | ---: | ---: | ---: |
| wait (s) | 19.99 | > 20 | – | ≤ 1 |
| events | 1 | 2 | – | – |

`
	if out.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", out.String(), want)
	}
}

func TestFailingArmEndsTheRunAndIsNamed(t *testing.T) {
	broken := errors.New("broken")
	g := group{columns: []string{"a"}, limit: time.Minute}
	e := experiment{name: "T/1", measures: []measure{{name: "x"}}, arms: []arm{
		func(context.Context) ([]float64, error) { return nil, broken },
	}}
	_, err := g.runExperiment(t.Context(), e, 1, io.Discard)
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "T/1, a") {
		t.Errorf("error = %v", err)
	}
}

func TestArmWithoutAValueForEachMeasureIsRefused(t *testing.T) {
	g := group{columns: []string{"a"}, limit: time.Minute}
	e := experiment{name: "T/1", measures: []measure{{name: "x"}}, arms: []arm{
		func(context.Context) ([]float64, error) { return nil, nil },
	}}
	if _, err := g.runExperiment(t.Context(), e, 1, io.Discard); err == nil {
		t.Error("no error")
	}
}

func TestExperimentNamesAreUniqueAndHaveAnArmPerColumn(t *testing.T) {
	groups := allGroups(&lab{})
	names := experimentNames(groups)
	slices.Sort(names)
	if unique := slices.Compact(slices.Clone(names)); len(unique) != len(names) {
		t.Errorf("names repeat: %v", names)
	}
	for _, g := range groups {
		for _, q := range g.ratios {
			if !slices.Contains(g.columns, q.of) || !slices.Contains(g.columns, q.to) {
				t.Errorf("%s: ratio %v is not of two columns", g.title, q)
			}
		}
		for _, e := range g.experiments {
			if len(e.arms) != len(g.columns) {
				t.Errorf("%s: %d arms in %d columns", e.name, len(e.arms), len(g.columns))
			}
		}
	}
}

func TestWhatWasPreparedIsFinishedOnceAndItsFailureIsTold(t *testing.T) {
	var order []string
	g, e := recorded(&order, "a", "b")
	broken := errors.New("broken")
	e.prepare = func(context.Context) (func() error, error) {
		order = append(order, "prepare")
		return func() error {
			order = append(order, "finish")
			return broken
		}, nil
	}
	if _, err := g.runExperiment(t.Context(), e, 1, io.Discard); !errors.Is(err, broken) {
		t.Errorf("error = %v", err)
	}
	if got := strings.Join(order, " "); got != "prepare a b finish" {
		t.Errorf("order %q", got)
	}
	e.prepare = func(context.Context) (func() error, error) { return nil, broken }
	if _, err := g.runExperiment(t.Context(), e, 1, io.Discard); !errors.Is(err, broken) || len(order) != 4 {
		t.Errorf("error = %v, order %q", err, order)
	}
}
