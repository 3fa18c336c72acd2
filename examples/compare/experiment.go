package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"
)

// group is a table: experiments with the same peers in the same columns.
type group struct {
	title       string
	columns     []string
	ratios      []ratio
	experiments []experiment
	limit       time.Duration // of one run of one arm; see arm.within
	rounds      int           // unless others are asked for; 0 is defaultRounds
}

// ratio is a column that divides one peer's value by another's, both named as in group.columns.
type ratio struct{ of, to string }

// experiment gives some rows of a table: every arm does the same work with another peer.
type experiment struct {
	name     string // what -run matches
	label    string // stands before the measures in the table; may be empty
	measures []measure
	arms     []arm // one per column of the group, in the same order; nil where there is nothing to measure

	// prepare, unless nil, is called before the first round, and what it returns after the last: for peers that last
	// through all rounds.
	prepare func(ctx context.Context) (finish func() error, err error)
}

// measure is one row.
type measure struct {
	name   string // with its unit
	digits int    // after the decimal point

	// total adds the rounds up instead of taking their median, which would hide a rare event.
	total bool
	// bound, above zero, is how long it was waited for: a value of it or more was not seen to end.
	bound float64
	// target is what poolsql is to reach; empty for none.
	target string
}

// arm is one peer in one experiment. It opens a fresh pool, warms it, measures, closes it, and returns one value per
// measure. Only where the experiment has prepared the peers it leaves them open.
type arm func(ctx context.Context) ([]float64, error)

// result holds what the arms of one experiment returned: values[arm][round][measure].
type result struct {
	values [][][]float64
}

const defaultRounds = 5

// times returns how often the group is run where so many rounds are asked for; 0 is none in particular.
func (g group) times(asked int) int { return cmp.Or(asked, g.rounds, defaultRounds) }

// run measures all experiments of the group, one after the other.
func (g group) run(ctx context.Context, rounds int, progress io.Writer) ([]result, error) {
	results := make([]result, 0, len(g.experiments))
	for _, e := range g.experiments {
		r, err := g.runExperiment(ctx, e, rounds, progress)
		if err != nil {
			return nil, err
		}
		results = append(results, r)
	}
	return results, nil
}

func (g group) runExperiment(ctx context.Context, e experiment, rounds int, progress io.Writer) (_ result, err error) {
	if e.prepare != nil {
		finish, failed := e.prepare(ctx)
		if failed != nil {
			return result{}, fmt.Errorf("%s: %w", e.name, failed)
		}
		defer func() { err = errors.Join(err, finish()) }()
	}
	r := result{values: make([][][]float64, len(e.arms))}
	for round := range rounds {
		for turn := range e.arms {
			// Rotated: who runs first in one round runs last in the next.
			i := (turn + round) % len(e.arms)
			if e.arms[i] == nil {
				continue
			}
			runtime.GC()
			start := time.Now()
			values, err := e.arms[i].within(ctx, g.limit, progress)
			if err != nil {
				return result{}, fmt.Errorf("%s, %s: %w", e.name, g.columns[i], err)
			}
			if len(values) != len(e.measures) {
				return result{}, fmt.Errorf("%s, %s: %d values for %d measures", e.name, g.columns[i], len(values), len(e.measures))
			}
			r.values[i] = append(r.values[i], values)
			fmt.Fprintf(progress, "%s round %d/%d %s: %.1fs\n", e.name, round+1, rounds, g.columns[i], time.Since(start).Seconds())
		}
	}
	return r, nil
}

// column returns the values of one measure of one arm, one per round.
func (r result) column(arm, measure int) []float64 {
	values := make([]float64, 0, len(r.values[arm]))
	for _, round := range r.values[arm] {
		values = append(values, round[measure])
	}
	return values
}
