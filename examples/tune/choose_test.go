package main

import (
	"strings"
	"testing"
	"time"
)

// made returns rungs with these figures, the same in each of two passes.
func made(sizes []int, perSecond []float64, p99 []time.Duration) []rung {
	rungs := make([]rung, len(sizes))
	for i, size := range sizes {
		s := sample{perSecond: perSecond[i], calls: 1000, p50: p99[i] / 2, p99: p99[i]}
		rungs[i] = rung{size, []sample{s, s}}
	}
	return rungs
}

func ofMilliseconds(n ...int) []time.Duration {
	return each(n, func(n int) time.Duration { return time.Duration(n) * time.Millisecond })
}

var plenty = server{maxConnections: 1000, reserved: 3, databaseLimit: -1, roleLimit: -1}

func TestTheChoiceKeepsWhatIsAsked(t *testing.T) {
	sizes := []int{1, 2, 4, 8, 16}
	rungs := made(sizes, []float64{100, 200, 400, 800, 810}, ofMilliseconds(10, 10, 10, 18, 40))
	for name, c := range map[string]struct {
		settings settings
		server   server
		want     int
		says     string
	}{
		"the knee":                            {settings{instances: 1, others: 0}, plenty, 8, ""},
		"p99 kept at the knee":                {settings{instances: 1, p99: 20 * time.Millisecond}, plenty, 8, "p99 there is 18.0 ms"},
		"p99 kept below it only":              {settings{instances: 1, p99: 12 * time.Millisecond}, plenty, 4, "4 does best: 400 per second at 10.0 ms"},
		"p99 kept nowhere":                    {settings{instances: 1, p99: time.Millisecond}, plenty, 8, "NO SIZE KEEPS p99 WITHIN 1ms: the least is 10.0 ms"},
		"instances, rounded up":               {settings{instances: 3}, plenty, 3, "divided among 3 instances: 3 each"},
		"instances, rounded down for p99":     {settings{instances: 3, p99: 20 * time.Millisecond}, plenty, 2, "2 each"},
		"more instances than the knee":        {settings{instances: 20}, plenty, 1, "PgBouncer"},
		"a small server":                      {settings{instances: 1, others: 4}, server{maxConnections: 10, reserved: 3, databaseLimit: -1, roleLimit: -1}, 3, "lowered from 8 to 3"},
		"a small server and many in use":      {settings{instances: 1, others: -1}, server{maxConnections: 20, reserved: 3, inUse: 14, databaseLimit: -1, roleLimit: -1}, 3, "14 for others"},
		"a server that has none left":         {settings{instances: 2, others: 17}, server{maxConnections: 20, reserved: 3, databaseLimit: -1, roleLimit: -1}, 1, "THE SERVER HAS ONLY 0 LEFT"},
		"a limit of the database":             {settings{instances: 1, others: 0}, server{maxConnections: 100, reserved: 3, databaseLimit: 6, databaseInUse: 1, roleLimit: -1}, 5, "lowered from 8 to 5"},
		"a limit of the role":                 {settings{instances: 1, others: 0}, server{maxConnections: 100, reserved: 3, databaseLimit: -1, roleLimit: 7}, 7, "lowered from 8 to 7"},
		"few in use leaves five all the same": {settings{instances: 1, others: -1}, server{maxConnections: 15, reserved: 3, databaseLimit: -1, roleLimit: -1}, 7, "5 for others"},
	} {
		c.settings.tolerance = 0.05
		f := findKnee(sizes, each(rungs, func(g rung) []float64 { return each(g.samples, func(s sample) float64 { return s.perSecond }) }), 0.05)
		got := choose(rungs, f, c.settings, c.server)
		said := strings.Join(got.reasons, " ")
		if got.perInstance != c.want || !strings.Contains(said, c.says) {
			t.Errorf("%s: %d, %q; want %d, %q", name, got.perInstance, said, c.want, c.says)
		}
		if got.minConns < 1 || got.minConns > got.perInstance {
			t.Errorf("%s: MinConns is %d of %d", name, got.minConns, got.perInstance)
		}
	}
}

func TestTheFormulaIsComparedWithWhatTheConnectionsDid(t *testing.T) {
	f := formulaFor(4)
	if !f.known || f.total != 8 {
		t.Fatalf("%+v", f)
	}
	for _, c := range []struct {
		knee int
		v    verdict
		at   []share
		want string
	}{
		{8, found, nil, "The two agree."},
		{12, found, nil, "The two agree."},
		{32, found, nil, "held while no core works"},
		{32, found, []share{{atClient, 0.7}, {atWork, 0.3}}, "70% waited for the program or the network, 30% ran. More pay because connections are held while the program"},
		{32, found, []share{{"IO", 0.5}, {atWork, 0.5}}, "wait for storage"},
		{32, found, []share{{atWork, 0.97}, {"IO", 0.03}}, "more cores than that"},
		{2, found, []share{{"Lock", 0.6}, {atWork, 0.4}}, "wait for each other's locks"},
		{2, found, []share{{atWork, 1}}, "keep the cores busy"},
		{8, tooNoisy, nil, "lost in the noise"},
		{8, rising, nil, "may well end above"},
	} {
		if got := f.compare(c.knee, 64, c.v, func(int) []share { return c.at }); !strings.Contains(got, c.want) {
			t.Errorf("a knee of %d: %q lacks %q", c.knee, got, c.want)
		}
	}
	if got := formulaFor(0).compare(8, 64, found, nil); !strings.Contains(got, "-cores") {
		t.Errorf("unknown cores: %q", got)
	}
}

// Whatever was found, it has to be said, and no line may be wider than a terminal.
func TestTheReportSaysWhatItCannotTell(t *testing.T) {
	sizes := []int{1, 2, 4, 8, 16}
	flat := ofMilliseconds(10, 10, 10, 10, 10)
	for _, c := range []struct {
		rates [][]float64
		cut   bool
		want  []string
	}{
		{[][]float64{{100, 100}, {200, 200}, {400, 400}, {800, 800}, {1600, 1600}}, false,
			[]string{"THE LADDER ENDED BEFORE THE KNEE", "-max 32", "▲", "still rising at the top"}},
		{[][]float64{{100, 100}, {200, 200}, {400, 400}, {800, 800}, {1600, 1600}}, true,
			[]string{"the most that this server lets be measured", "The ladder ends at 16 because"}},
		{[][]float64{{100, 200}, {250, 120}, {130, 300}, {300, 150}, {140, 310}}, false,
			[]string{"TOO NOISY TO TELL", "What follows is a guess"}},
		{[][]float64{{100, 100}, {200, 200}, {400, 400}, {300, 300}, {200, 200}}, false,
			[]string{"at 8 connections throughput is 25% below the best", "leaves no doubt"}},
		{[][]float64{{0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}}, false, []string{"poolsql.Config{"}},
	} {
		r := report{
			settings: settings{instances: 1, passes: 2, tolerance: 0.05, duration: time.Second}, load: workload{name: "the load"},
			server: plenty, cut: c.cut, rungs: made(sizes, make([]float64, 5), flat),
		}
		for i, rates := range c.rates {
			for j, rate := range rates {
				r.rungs[i].samples[j].perSecond = rate
			}
		}
		r.judge()
		var out, picture strings.Builder
		r.write(&out)
		if err := r.draw(&picture); err != nil {
			t.Error(err)
		}
		for _, want := range c.want {
			if !strings.Contains(strings.ReplaceAll(out.String(), "\n", " "), want) {
				t.Errorf("%v: the report lacks %q:\n%s", c.rates, want, &out)
			}
		}
		if strings.Contains(picture.String(), "NaN") || strings.Contains(out.String(), "NaN") {
			t.Errorf("%v: NaN in\n%s\n%s", c.rates, &out, &picture)
		}
		requireNarrowAndSecretless(t, "postgres://", out.String())
	}
}

func TestThePictureQuotesWhatItIsTold(t *testing.T) {
	r := report{
		settings: settings{instances: 1, passes: 2, tolerance: 0.05}, load: workload{name: `<&">`}, server: plenty,
		rungs: made([]int{1, 2, 4}, []float64{1, 2, 2}, ofMilliseconds(1, 1, 1)),
	}
	r.judge()
	var picture strings.Builder
	if err := r.draw(&picture); err != nil || strings.Contains(picture.String(), `<&`) {
		t.Errorf("%v\n%s", err, &picture)
	}
}
