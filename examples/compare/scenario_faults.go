package main

import (
	"context"
	"errors"
	"slices"
	"time"
)

// faultGroup is H: what a statement that is canceled, a server that is away and a network that is silent cost those who
// come after. It has no ratios: what counts is how far a peer is from the target, and some never get there.
func faultGroup(l *lab) group {
	quiet := [4]string{"", "", "≤ 10", ""}
	busy := [4]string{"", "≤ 100", "", ""}
	var experiments []experiment
	add := func(e ...experiment) { experiments = append(experiments, e...) }
	addFull := func(e experiment) {
		if !l.quick { // it takes seconds, and shows that nothing works which another does not show
			add(e)
		}
	}
	add(
		timeoutsExperiment(l),
		heldExperiment(l, "H/held/quiet", "timeouts of 4 callers", quiet,
			heldPlan{callers: 4, perCaller: l.scale(100, 3), long: l.long()}),
		heldExperiment(l, "H/held/busy", "the same beside 64 busy callers", busy,
			heldPlan{callers: 4, perCaller: l.scale(50, 2), long: l.long(), busy: l.scale(64, 8)}),
		restartExperiment(l, openConns),
	)
	addFull(restartExperiment(l, 64))
	add(downExperiment(l, "H/down", "server down, 1,000 callers", [2]string{"≤ 1000", "≤ 1000"}, 0))
	addFull(downExperiment(l, "H/down/retries", "the same, retries allowed", [2]string{"≤ 1100", ""}, 5))
	hole := holeExperiment(l, "H/hole/server", "black hole, statement timeout 1 s", false, time.Duration(l.scale(10, 4))*time.Second)
	if l.quick { // they wait out the bound, as the first does
		hole.arms = without(without(hole.arms, cancelSQL), pgxPool)
	}
	add(hole)
	// pgxpool's slot takes 15 seconds.
	addFull(holeExperiment(l, "H/hole/context", "black hole, context of 1 s", true, 17*time.Second))
	return group{
		title:       "H. Statements that end badly: timeouts, a server that restarts or is down, a network that swallows everything",
		columns:     faultNames(),
		rounds:      1, // of hundreds of faults each
		experiments: experiments,
	}
}

func faultNames() []string {
	var names []string
	for _, peer := range faultPeers() {
		names = append(names, peer.name)
	}
	return names
}

// faultArms measure the same of every peer.
func faultArms(
	database func(context.Context) (string, error), run func(context.Context, faultPeer, string) ([]float64, error),
) []arm {
	var arms []arm
	for _, peer := range faultPeers() {
		arms = append(arms, func(ctx context.Context) ([]float64, error) {
			dsn, err := database(ctx)
			if err != nil {
				return nil, err
			}
			return run(ctx, peer, dsn)
		})
	}
	return arms
}

// without leaves one peer out, which would do the same as another.
func without(arms []arm, peer string) []arm {
	arms[slices.Index(faultNames(), peer)] = nil
	return arms
}

// openBehindProxy opens a peer whose every connection goes through a proxy, which the caller closes first: what was lost in
// it ends only then.
func openBehindProxy(ctx context.Context, peer faultPeer, s faultSetup) (*proxy, faultClient, error) {
	config, err := s.config()
	if err != nil {
		return nil, faultClient{}, err
	}
	p, err := newProxy(config)
	if err != nil {
		return nil, faultClient{}, err
	}
	s.dial = p.dial
	client, err := peer.open(ctx, s)
	if err != nil {
		p.close()
		return nil, faultClient{}, errors.Join(err, ctx.Err())
	}
	return p, client, nil
}
