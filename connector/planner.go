package connector

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/sqltext"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

const (
	// maxPlans is how many labels and statements the server is asked about in all. Where there are more, they are made of
	// data, and nothing is learned by asking.
	maxPlans = 512
	// planLimit is how long the wait for a connection and the plan may take together.
	planLimit = time.Second
	// planRates is how many statements have to have a plan and to be known by what they took before a plan says anything.
	planRates = 3
	// planUses is how often each of these was seen.
	planUses = 3
)

// A planner has the server plan the first statement of each label, or each statement, and guesses from the cost in the plan
// what it will take. A plan's cost is in units of its own; how long one takes here, the statements say whose plan and time
// are both known. So the first few are not guessed.
//
// It asks one at a time, on a connection of the pool, as a call of class Low that waits its turn: never more than one is
// held for that. Only what certainly reads is planned, without its arguments, by a generic plan in a transaction that only reads
// and is rolled back. What cannot be planned is not asked about again.
type planner struct {
	connector *Connector

	mu      sync.RWMutex
	plans   map[string]*plan // by label, or by statement
	queue   []*plan          // to be asked about
	running bool             // there is a goroutine that asks
}

// A plan is what is known of one label or statement.
type plan struct {
	label, statement, text string
	cost                   float64 // in the server's units; 0 is not known
}

// see is told of a call that is about to wait for a connection.
func (p *planner) see(req *lifecycle.Request) {
	kind := cmp.Or(req.Label, req.Statement)
	if kind == "" || req.Detail == "" {
		return
	}
	p.mu.RLock()
	_, known := p.plans[kind]
	full := len(p.plans) >= maxPlans
	p.mu.RUnlock()
	if known || full || len(req.Detail) > maxCostText {
		return
	}
	reads := sqltext.Reads(req.Detail)
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known = p.plans[kind]; known || len(p.plans) >= maxPlans {
		return
	}
	if p.plans == nil {
		p.plans = make(map[string]*plan)
	}
	one := &plan{label: strings.Clone(req.Label), statement: strings.Clone(req.Statement), text: strings.Clone(req.Detail)}
	p.plans[cmp.Or(one.label, one.statement)] = one
	if !reads {
		return
	}
	p.queue = append(p.queue, one)
	if !p.running {
		p.running = true
		go p.run()
	}
}

// run asks until there is nothing to ask. A pool that is shut refuses each at once.
func (p *planner) run() {
	for {
		p.mu.Lock()
		if len(p.queue) == 0 {
			p.running = false
			p.mu.Unlock()
			return
		}
		next := p.queue[0]
		p.queue = p.queue[1:]
		p.mu.Unlock()
		cost, err := p.ask(next.text)
		if err != nil {
			continue // the time that it takes will be learned
		}
		p.mu.Lock()
		next.cost = cost
		p.mu.Unlock()
		p.guess()
	}
}

// ask returns the cost of the plan of text.
func (p *planner) ask(text string) (cost float64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), planLimit)
	defer cancel()
	ctx = priority.NewContext(ctx, priority.Options{Class: priority.Low, Label: "explain"})
	s := pooldriver.NewSession(ctx, source{p.connector})
	defer s.Close()
	err = s.Do(ctx, func(conn *pgx.Conn) error {
		cost, err = explainGeneric(ctx, conn, text)
		return err
	})
	return cost, err
}

// explainGeneric returns the cost of the plan of text, without arguments. A version that cannot plan so says so.
func explainGeneric(ctx context.Context, conn *pgx.Conn, text string) (cost float64, err error) {
	const name = "poolsql_plan"
	run := func(sql string) ([][]byte, error) {
		results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
		if err != nil || len(results) == 0 || len(results[len(results)-1].Rows) == 0 {
			return nil, err
		}
		return results[len(results)-1].Rows[0], nil
	}
	// The line break ends a comment that the text may end with.
	row, err := run("begin read only; set local plan_cache_mode = force_generic_plan; prepare " + name + " as " + text +
		"\n; select coalesce(cardinality(parameter_types), 0) from pg_catalog.pg_prepared_statements where name = '" + name + "'")
	if err != nil || len(row) == 0 {
		_, end := run("rollback")
		return 0, errors.Join(cmp.Or(err, errNoPlan), end)
	}
	var parameters int
	if _, err := fmt.Sscan(string(row[0]), &parameters); err != nil {
		return 0, err
	}
	arguments := ""
	if parameters > 0 {
		arguments = "(null" + strings.Repeat(", null", parameters-1) + ")"
	}
	row, err = run("savepoint " + name + "; explain (format json) execute " + name + arguments)
	// No rollback undoes a PREPARE, and behind a pooler the next transaction may be another session's.
	_, end := run("rollback to savepoint " + name + "; deallocate " + name + "; rollback")
	if err := errors.Join(err, end); err != nil || len(row) == 0 {
		return 0, cmp.Or(err, errNoPlan)
	}
	return planCost(row[0])
}

var errNoPlan = errors.New("poolsql: the server gave no plan")

// planCost returns the cost of all of a plan as EXPLAIN tells it.
func planCost(told []byte) (float64, error) {
	var plans []struct {
		Plan struct {
			Cost float64 `json:"Total Cost"`
		}
	}
	if err := json.Unmarshal(told, &plans); err != nil {
		return 0, err
	}
	if len(plans) != 1 || plans[0].Plan.Cost <= 0 {
		return 0, errNoPlan
	}
	return plans[0].Plan.Cost, nil
}

// guess tells the pool what the statements will take whose plan is known, and nothing else. All take the time of the quickest,
// which is that of a round trip, and then so much for each unit.
func (p *planner) guess() {
	seen := make(map[string]time.Duration)
	var least time.Duration
	for _, c := range p.connector.pool.Costs() {
		kind := cmp.Or(c.Label, c.Statement)
		if kind == "" || c.Uses < planUses {
			continue
		}
		seen[kind] = c.Mean
		if least == 0 || c.Mean < least {
			least = c.Mean
		}
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	var rates []planRate
	for kind, one := range p.plans {
		if mean, ok := seen[kind]; ok && one.cost > 0 {
			rates = append(rates, planRate{float64(mean-least) / one.cost, one.cost})
		}
	}
	if len(rates) < planRates {
		return
	}
	rate := middle(rates)
	for kind, one := range p.plans {
		if _, ok := seen[kind]; !ok && one.cost > 0 {
			p.connector.pool.Guess(one.label, one.statement, least+time.Duration(rate*one.cost))
		}
	}
}

// A planRate is how many ns a unit took, and how many units there were.
type planRate struct{ rate, units float64 }

// middle returns the rate below which half of all units are: dear statements say more than cheap ones, which take the time
// of a round trip whatever their plan, and one that waited for a lock says nothing.
func middle(rates []planRate) float64 {
	slices.SortFunc(rates, func(a, b planRate) int { return cmp.Compare(a.rate, b.rate) })
	var all float64
	for _, r := range rates {
		all += r.units
	}
	var below float64
	for _, r := range rates {
		if below += r.units; below >= all/2 {
			return r.rate
		}
	}
	return 0 // not reached: units are above 0
}
