package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestArmThatOutlivesItsLimitIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := group{columns: []string{"a"}, limit: time.Minute}
		e := experiment{name: "T/1", measures: []measure{{name: "x"}}, arms: []arm{
			func(ctx context.Context) ([]float64, error) {
				<-ctx.Done()
				return []float64{1}, nil // as one whose loops end with the context
			},
		}}
		began := time.Now()
		_, err := g.runExperiment(t.Context(), e, 1, io.Discard)
		if !errors.Is(err, errTooLong) || errors.Is(err, errStuck) || !strings.Contains(err.Error(), "T/1, a: ") {
			t.Errorf("error = %v", err)
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("given up after %v", took)
		}
	})
}

func TestArmThatNeverReturnsIsLeftBehindWithTheGoroutinesListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := group{columns: []string{"a"}, limit: time.Minute}
		release := make(chan struct{})
		defer close(release)
		e := experiment{name: "T/1", measures: []measure{{name: "x"}}, arms: []arm{
			func(context.Context) ([]float64, error) {
				<-release
				return nil, nil
			},
		}}
		began := time.Now()
		var progress bytes.Buffer
		_, err := g.runExperiment(t.Context(), e, 1, &progress)
		if !errors.Is(err, errTooLong) || !errors.Is(err, errStuck) || !strings.Contains(err.Error(), "T/1, a: ") {
			t.Errorf("error = %v", err)
		}
		if took := time.Since(began); took != time.Minute+armGrace {
			t.Errorf("left behind after %v", took)
		}
		if !strings.Contains(progress.String(), "limit_test.go") {
			t.Errorf("it cannot be found in:\n%s", progress.String())
		}
	})
}

func TestRoundsAreTheGroupsOwnUnlessOthersAreAskedFor(t *testing.T) {
	groups := []group{{title: "A. usual"}, {title: "H. long", rounds: 1}}
	for asked, want := range map[int]string{0: "5 (H 1)", 2: "2", 1: "1"} {
		if got := describeRounds(groups, asked); got != want {
			t.Errorf("asked for %d: %q, want %q", asked, got, want)
		}
	}
}
