package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/poolsql/poolsql"
)

const (
	// sameRead takes 20 ms, and each execution has another answer, so that the answers tell how many there were.
	sameRead = "select gen_random_uuid()::text from pg_sleep(0.02)"
	// commitOne commits, and says which transaction it was.
	commitOne = "select txid_current()"
	// whatIsSeen says of which transactions nothing is seen: those from this one on. It is fixed when the statement begins,
	// 5 ms before its end.
	whatIsSeen = "select txid_snapshot_xmax(txid_current_snapshot()) from pg_sleep(0.005)"
)

// coalescingGroup is L: calls that ask the same.
func coalescingGroup(l *lab) group {
	peers := []serverPeer{
		{plainSQL, openSQL(openPlain).onServer},
		{pgxPool, openPgxpool},
		{flightSQL, shareFlights},
		{poolSQL, openPoolsql(0).onServer},
		{sharedSQL, shareReads},
	}
	callers := l.scale(1000, 40)
	duration := time.Duration(l.scale(3000, 100)) * time.Millisecond
	arms := func(measure func(context.Context, serverClient) ([]float64, error)) []arm {
		var arms []arm
		for _, peer := range peers {
			arms = append(arms, func(ctx context.Context) (_ []float64, err error) {
				dsn, err := l.database(ctx)
				if err != nil {
					return nil, err
				}
				client, err := peer.open(ctx, dsn, size{conns: openConns, warm: openConns})
				if err != nil {
					return nil, err
				}
				defer func() { err = errors.Join(err, client.close()) }()
				return measure(ctx, client)
			})
		}
		return arms
	}
	return group{
		title:   "L. Callers who ask PostgreSQL the same at the same time, 8 connections",
		columns: serverNames(peers),
		experiments: []experiment{{
			name: "L/same", label: "1,000 callers of a query of 20 ms",
			measures: []measure{
				{name: "executions"},
				{name: "p50 (ms)", digits: 1},
				{name: "slowest (ms)", digits: 1, target: "2 executions"},
				{name: "executions in each 20 ms", digits: 2, target: "1"},
			},
			arms: arms(func(ctx context.Context, c serverClient) ([]float64, error) { return askTheSame(ctx, c, callers) }),
		}, {
			name: "L/stale", label: "16 callers of a query of 5 ms while another commits",
			measures: []measure{
				{name: "answers/s"},
				{name: "answers older than the call, all rounds", total: true, target: "0"},
			},
			arms: arms(func(ctx context.Context, c serverClient) ([]float64, error) {
				return askWhileOneCommits(ctx, c, duration)
			}),
		}},
	}
}

// shareReads is poolsql whose reads may share.
func shareReads(ctx context.Context, dsn string, want size) (serverClient, error) {
	client, err := openPoolsql(0).onServer(ctx, dsn, want)
	ask := client.ask
	client.ask = func(ctx context.Context, query string, answer any) error {
		return ask(poolsql.WithCoalescing(ctx, poolsql.Coalescing{}), query, answer)
	}
	return client, err
}

// shareFlights is database/sql behind the usual answer to a crowd that asks the same.
func shareFlights(ctx context.Context, dsn string, want size) (serverClient, error) {
	client, err := openSQL(openPlain).onServer(ctx, dsn, want)
	ask := client.ask
	var flights singleflight.Group
	client.ask = func(ctx context.Context, query string, answer any) error {
		if query == commitOne {
			return ask(ctx, query, answer)
		}
		shared, err, _ := flights.Do(query, func() (any, error) {
			if _, ok := answer.(*string); ok {
				var text string
				err := ask(ctx, query, &text)
				return text, err
			}
			var number int64
			err := ask(ctx, query, &number)
			return number, err
		})
		switch answer := answer.(type) {
		case *string:
			*answer = shared.(string)
		case *int64:
			*answer = shared.(int64)
		}
		return err
	}
	return client, err
}

// askTheSame lets all callers ask at once.
func askTheSame(ctx context.Context, client serverClient, callers int) ([]float64, error) {
	var mu sync.Mutex
	answers := map[string]bool{}
	crowd := load{callers: callers, perCaller: 1, timed: true}
	out := crowd.run(ctx, func(ctx context.Context) error {
		var answer string
		if err := client.ask(ctx, sameRead, &answer); err != nil {
			return err
		}
		mu.Lock()
		answers[answer] = true
		mu.Unlock()
		return nil
	})
	if out.err != nil {
		return nil, out.err
	}
	const execution = 20 * time.Millisecond
	executions := float64(len(answers))
	return []float64{executions, out.p(0.5), out.p(1), executions / (float64(out.wall) / float64(execution))}, nil
}

// askWhileOneCommits lets callers ask what is seen, one time after the other, while another commits. An answer that does not see what
// was committed before its caller asked is older than the call.
func askWhileOneCommits(ctx context.Context, client serverClient, duration time.Duration) ([]float64, error) {
	var committed, answers, old atomic.Int64
	var failures [17]error
	end := time.Now().Add(duration)
	var done sync.WaitGroup
	done.Go(func() {
		for time.Now().Before(end) && failures[0] == nil {
			var id int64
			if failures[0] = client.ask(ctx, commitOne, &id); failures[0] == nil {
				committed.Store(id)
			}
			time.Sleep(time.Millisecond)
		}
	})
	for i := 1; i < len(failures); i++ {
		done.Go(func() {
			for time.Now().Before(end) && failures[i] == nil {
				before, seen := committed.Load(), int64(0)
				if failures[i] = client.ask(ctx, whatIsSeen, &seen); failures[i] != nil {
					return
				}
				answers.Add(1)
				if seen <= before {
					old.Add(1)
				}
				time.Sleep(time.Duration(rand.Int64N(int64(2 * time.Millisecond))))
			}
		})
	}
	done.Wait()
	if err := errors.Join(failures[:]...); err != nil {
		return nil, err
	}
	return []float64{float64(answers.Load()) / duration.Seconds(), float64(old.Load())}, nil
}
