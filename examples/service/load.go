package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/poolsql/poolsql/examples/internal/display"
)

const (
	// A rush comes once in rushEvery and lasts for rushLasts, with rushTimes as many requests.
	rushEvery = 20 * time.Second
	rushLasts = 6 * time.Second
	rushTimes = 3
	// tick is how often the users say how they fare, and asks how often they look whether the service is ready.
	tick = 2 * time.Second
	asks = 50 * time.Millisecond
)

// A wish is something that users ask for.
type wish struct {
	name, class string
	share       int // of a hundred requests
	request     func(at string) *http.Request
}

var wishes = []wish{
	{"order", "high", 20, func(at string) *http.Request { return request("POST", at+"/orders", fmt.Sprint("item=", pick())) }},
	{"item", "normal", 68, func(at string) *http.Request { return request("GET", fmt.Sprint(at, "/items/", pick()), "") }},
	{"report", "low", 12, func(at string) *http.Request { return request("GET", at+"/reports/may", "") }},
}

func pick() int { return rand.IntN(items) + 1 }

func request(method, url, form string) *http.Request {
	r, err := http.NewRequest(method, url, strings.NewReader(form))
	if err != nil {
		panic(err) // of a constant
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// Users are those who send requests, as a load balancer would hand them on: as long as the service says that it is ready.
type users struct {
	at     string
	client *http.Client
	ready  atomic.Bool
	end    context.CancelFunc
	done   sync.WaitGroup

	mu sync.Mutex
	// guarded by mu

	all    [3]answers // of each wish, from the beginning
	recent [3]answers // since the last tick
	fault  error      // the last request that had no answer
}

// answers are what came of requests.
type answers struct {
	sent, ok, refused, late, failed int
	took                            []time.Duration // of those that went well, or of some of them, drawn at random
}

// kept is of how many answers the time is kept: a service runs for weeks.
const kept = 20_000

// note counts an answer that went well.
func (a *answers) note(took time.Duration) {
	a.ok++
	if len(a.took) < kept {
		a.took = append(a.took, took)
	} else if i := rand.IntN(a.ok); i < kept {
		a.took[i] = took
	}
}

// startLoad has users come at a rate, whatever the service does: who gets no answer in time does not keep others from coming. Their
// number is not bounded but by their time limit.
func startLoad(at string, rate int, stdout io.Writer) *users {
	ctx, end := context.WithCancel(context.Background())
	u := &users{
		at: at, end: end,
		client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}},
	}
	if rate == 0 {
		return u
	}
	fmt.Fprintf(stdout, "\n%6s %10s   %-14s %-14s %-14s %5s %5s %7s\n", "", "requests/s", "order p99", "item p99", "report p99", "503", "504", "failed")
	u.done.Go(func() { u.look(ctx) })
	u.done.Go(func() { u.come(ctx, rate) })
	u.done.Go(func() { u.tell(ctx, stdout) })
	return u
}

// stop ends the load, and waits for the last answer.
func (u *users) stop() {
	u.end()
	u.done.Wait()
	u.client.CloseIdleConnections()
}

// look asks whether the service is ready.
func (u *users) look(ctx context.Context) {
	for every(ctx, asks) {
		resp, err := u.client.Get(u.at + "/health/ready")
		if err != nil {
			u.ready.Store(false)
			continue
		}
		_ = resp.Body.Close()
		u.ready.Store(resp.StatusCode == http.StatusOK)
	}
}

// every waits, and reports whether ctx has not ended.
func every(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// come sends requests, each on a goroutine of its own.
func (u *users) come(ctx context.Context, rate int) {
	began := time.Now()
	var due float64
	for last := began; every(ctx, 5*time.Millisecond); {
		now := time.Now()
		perSecond := float64(rate)
		if now.Sub(began)%rushEvery > rushEvery-rushLasts {
			perSecond *= rushTimes
		}
		due += perSecond * now.Sub(last).Seconds()
		last = now
		for ; due >= 1; due-- {
			if u.ready.Load() {
				u.done.Go(u.ask)
			}
		}
	}
}

// ask makes one request, by the shares.
func (u *users) ask() {
	i, n := 0, rand.IntN(100)
	for n -= wishes[i].share; n >= 0; n -= wishes[i].share {
		i++
	}
	began := time.Now()
	resp, err := u.client.Do(wishes[i].request(u.at))
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	took := time.Since(began)
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, a := range []*answers{&u.all[i], &u.recent[i]} {
		a.sent++
		switch {
		case err != nil || resp.StatusCode >= 400 && resp.StatusCode != 503 && resp.StatusCode != 504:
			a.failed++
		case resp.StatusCode == http.StatusServiceUnavailable:
			a.refused++
		case resp.StatusCode == http.StatusGatewayTimeout:
			a.late++
		default:
			a.note(took)
		}
	}
	if err != nil {
		u.fault = err
	}
}

// tell says how the users fare.
func (u *users) tell(ctx context.Context, stdout io.Writer) {
	for began := time.Now(); every(ctx, tick); {
		u.mu.Lock()
		recent := u.recent
		u.recent = [3]answers{}
		u.mu.Unlock()
		var sum answers
		p99 := make([]string, len(recent))
		for i, a := range recent {
			sum.add(a)
			p99[i] = a.quantile(0.99)
		}
		rush := ""
		if time.Since(began)%rushEvery > rushEvery-rushLasts {
			rush = "  rush"
		}
		fmt.Fprintf(stdout, "%5.0fs %10s   %-14s %-14s %-14s %5d %5d %7d%s\n", time.Since(began).Seconds(),
			display.Number(int(float64(sum.sent)/tick.Seconds())), p99[0], p99[1], p99[2], sum.refused, sum.late, sum.failed, rush)
	}
}

func (a *answers) add(b answers) {
	a.sent, a.ok, a.refused, a.late, a.failed = a.sent+b.sent, a.ok+b.ok, a.refused+b.refused, a.late+b.late, a.failed+b.failed
}

// quantile returns the time that this share of the answers took at most, a dash if there were none.
func (a *answers) quantile(q float64) string {
	if len(a.took) == 0 {
		return "-"
	}
	slices.SortFunc(a.took, func(x, y time.Duration) int { return cmp.Compare(x, y) })
	return display.Milliseconds(a.took[min(int(q*float64(len(a.took))), len(a.took)-1)])
}

// report says what became of all requests.
func (u *users) report(stdout io.Writer) {
	u.mu.Lock()
	defer u.mu.Unlock()
	var sum answers
	for _, a := range u.all {
		sum.add(a)
	}
	if sum.sent == 0 {
		return
	}
	fmt.Fprintf(stdout, "\n%-8s %-7s %8s %8s %6s %6s %7s   %-11s %s\n", "", "class", "sent", "served", "503", "504", "failed", "p50", "p99")
	for i, a := range u.all {
		fmt.Fprintf(stdout, "%-8s %-7s %8s %8s %6s %6s %7s   %-11s %s\n", wishes[i].name, wishes[i].class,
			display.Number(a.sent), display.Number(a.ok), display.Number(a.refused), display.Number(a.late), display.Number(a.failed),
			a.quantile(0.5), a.quantile(0.99))
	}
	if u.fault != nil {
		fmt.Fprintf(stdout, "the last failure: %v\n", u.fault)
	}
}
