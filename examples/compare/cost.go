package main

import (
	"context"
	"errors"
)

// layers are the peers that stand between database/sql and any driver: those whose cost per statement is compared.
func layers() []standinPeer {
	return []standinPeer{
		{plainSQL, openSQL(openPlain).onStandin},
		{otelSQL, openSQL(openOtelsql).onStandin},
		{poolSQL, openPoolsql(0).onStandin},
	}
}

var layerRatios = []ratio{{poolSQL, plainSQL}, {poolSQL, otelSQL}}

var costMeasures = []measure{
	{name: "ns/op"},
	{name: "allocs/op", digits: 2},
	{name: "throughput (op/s)"},
}

func idleStandin() *standin     { return &standin{} }
func yieldingStandin() *standin { return &standin{yield: true} }

// costArms put the same work on every layer.
func costArms(fresh func() *standin, work load) []arm {
	var arms []arm
	for _, peer := range layers() {
		arms = append(arms, func(ctx context.Context) ([]float64, error) {
			return measureCost(ctx, peer, fresh(), work)
		})
	}
	return arms
}

func measureCost(ctx context.Context, peer standinPeer, s *standin, work load) (values []float64, err error) {
	client, err := peer.open(ctx, s, size{conns: openConns, warm: openConns})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.close()) }()

	work.rehearsal().run(ctx, client.exec)
	out := work.run(ctx, client.exec)
	if out.err != nil {
		return nil, out.err
	}
	return []float64{out.nanosPerOp(), out.allocsPerOp(), out.opsPerSecond()}, nil
}

func standinNames(peers []standinPeer) []string {
	var names []string
	for _, peer := range peers {
		names = append(names, peer.name)
	}
	return names
}
