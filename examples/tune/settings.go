package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// The loads that come with the program.
const (
	loadTPCB   = "tpcb"
	loadSelect = "select"
)

// leastSizes is how long a ladder must be to have a bend.
const leastSizes = 3

// settings are the flags.
type settings struct {
	dsn       string
	load      string
	query     string // the text, be it from -query or -file; "" is one of our loads
	values    values
	write     bool
	sizes     []int // nil: up to most
	most      int
	duration  time.Duration
	warmup    time.Duration
	passes    int
	callers   int
	tolerance float64 // a share, where the flag is a percentage
	p99       time.Duration
	instances int
	others    int // -1: those that the server has now
	cores     int // 0: unknown, unless the server is on this machine
	svg       string
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	var file, sizes, values string
	var percent float64
	flags := flag.NewFlagSet("tune", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.dsn, "dsn", "", "an existing database, as URL or keywords, instead of an embedded one;\n"+
		"what its pool_ parameters say counts, but for the size and for waiting;\n"+
		"a password is better left to PGPASSWORD or ~/.pgpass than shown to ps")
	flags.StringVar(&s.load, "load", loadTPCB, "without -query and -file: tpcb reads and writes as pgbench's default does, select\n"+
		"reads one row by its key; either in a schema of its own, which is dropped at the end")
	flags.StringVar(&s.query, "query", "", "one statement of yours to measure: it runs MANY THOUSANDS OF TIMES against the database")
	flags.StringVar(&file, "file", "", "a file with that statement")
	flags.StringVar(&values, "args", "", "what $1, $2 ... are, anew for each call: int:1-100000 is a number out of these,\n"+
		"pick:a|b|c one of these texts; separated by commas")
	flags.BoolVar(&s.write, "write", false, "let your statement write: without it, the server refuses what would. What it writes stays")
	flags.StringVar(&sizes, "sizes", "", "the sizes to measure, such as 1,2,4,8 (default: 1 2 3 4 6 8 12 16 ... up to -max)")
	flags.IntVar(&s.most, "max", 64, "the largest size, if the server lets in as many")
	flags.DurationVar(&s.duration, "duration", 600*time.Millisecond, "how long each size is measured in each pass")
	flags.DurationVar(&s.warmup, "warmup", 0, "how long each size runs before that (default: a quarter of -duration)")
	flags.IntVar(&s.passes, "passes", 5, "how often the ladder is gone up or down, 2 or more; the medians count")
	flags.IntVar(&s.callers, "callers", 0, "callers that call again as soon as they are answered (default: twice the largest size)")
	flags.Float64Var(&percent, "within", 5, "the knee is the smallest size within so many percent of the best throughput")
	flags.DurationVar(&s.p99, "p99", 0, "what 99 in 100 calls shall take at most once they have a connection, such as 20ms")
	flags.IntVar(&s.instances, "instances", 1, "how many instances of the application share the database")
	flags.IntVar(&s.others, "others", -1, "connections to leave to everybody else (default: those in use now, but at least 5)")
	flags.IntVar(&s.cores, "cores", 0, "cores of the database's server, for the formula (default: this machine's, if it runs here)")
	flags.StringVar(&s.svg, "svg", "tune.svg", "the file to draw the chart into, overwritten if it exists; \"\" is none")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	set := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { set[f.Name] = true })

	err := func() (err error) {
		s.tolerance = percent / 100
		if len(flags.Args()) > 0 {
			return errors.New("flags only, no arguments")
		}
		if err := exclusive(set, "query", "file", "load"); err != nil {
			return err
		}
		if err := exclusive(set, "sizes", "max"); err != nil {
			return err
		}
		if set["query"] || set["file"] {
			if s.query, err = readQuery(s.query, file); err != nil {
				return err
			}
		}
		if s.values, err = parseValues(values); err != nil {
			return err
		}
		if set["sizes"] {
			if s.sizes, err = parseSizes(sizes); err != nil {
				return err
			}
		}
		return s.validate()
	}()
	if err != nil {
		fmt.Fprintf(stderr, "tune: %v; -help tells more\n", err)
		return s, err
	}
	if s.warmup == 0 {
		s.warmup = s.duration / 4
	}
	return s, nil
}

// exclusive fails if more than one of the flags is set.
func exclusive(set map[string]bool, names ...string) error {
	var given []string
	for _, name := range names {
		if set[name] {
			given = append(given, "-"+name)
		}
	}
	if len(given) > 1 {
		return fmt.Errorf("%s are given: want one of them", strings.Join(given, " and "))
	}
	return nil
}

// readQuery returns the user's statement.
func readQuery(query, file string) (string, error) {
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("-file: %w", err)
		}
		query = string(text)
	}
	if query = strings.TrimSpace(query); query == "" {
		return "", errors.New("the statement to measure is empty")
	}
	return query, refuse(query)
}

func (s settings) validate() error {
	switch {
	case s.load != loadTPCB && s.load != loadSelect:
		return fmt.Errorf("-load is %s or %s", loadTPCB, loadSelect)
	case s.query == "" && len(s.values) > 0:
		return errors.New("-args is for -query and -file")
	case s.query == "" && s.write:
		return errors.New("-write is for -query and -file")
	case s.query != "" && s.dsn == "":
		return errors.New("-query and -file need a database to ask: -dsn")
	case s.sizes == nil && s.most < leastSizes:
		return fmt.Errorf("-max must be at least %d", leastSizes)
	case s.duration < time.Millisecond:
		return errors.New("-duration must be at least 1ms")
	case s.warmup < 0:
		return errors.New("-warmup must not be negative")
	case s.passes < 2:
		return errors.New("-passes must be at least 2: the difference between passes is what tells a knee from noise")
	case s.callers != 0 && s.sizes != nil && s.callers <= s.sizes[len(s.sizes)-1],
		s.callers != 0 && s.sizes == nil && s.callers <= s.most:
		return errors.New("-callers must be more than the largest size, or it is they that limit")
	case !(s.tolerance > 0 && s.tolerance < 1):
		return errors.New("-within must be above 0 and below 100")
	case s.p99 < 0:
		return errors.New("-p99 must not be negative")
	case s.instances < 1:
		return errors.New("-instances must be at least 1")
	case s.others < -1:
		return errors.New("-others must not be negative")
	case s.cores < 0:
		return errors.New("-cores must not be negative")
	}
	return nil
}
