package pooldriver

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

type (
	name    string
	alias   string
	uuid    [16]byte
	point   struct{ X, Y float64 }
	linked  struct{ Next *linked }
	says    struct{ v driver.Value }
	fails   struct{}
	several []says
)

func (s says) Value() (driver.Value, error) { return s.v, nil }
func (fails) Value() (driver.Value, error)  { return nil, errors.New("no value") }

func arguments(values ...any) []driver.NamedValue {
	args := make([]driver.NamedValue, len(values))
	for i, v := range values {
		args[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return args
}

func pointer[T any](v T) *T { return &v }

// Each of these is another list of arguments than each other one.
var differentArguments = [][]any{
	{}, {nil}, {nil, nil}, {""}, {"a"}, {"b"}, {"a", "b"}, {"ab", ""}, {"", "ab"}, {"1"}, {name("a")}, {alias("a")},
	{[]byte(nil)}, {[]byte{}}, {[]byte("a")}, {[]byte("1")}, {json.RawMessage("1")}, {json.RawMessage(nil)}, {json.RawMessage{}},
	{1}, {int64(1)}, {int32(1)}, {int8(1)}, {uint(1)}, {uint64(1)}, {float64(1)}, {float32(1)}, {true}, {false}, {int64(0)}, {-1},
	{0.0}, {math.Copysign(0, -1)}, {math.NaN()}, {math.Float64frombits(math.Float64bits(math.NaN()) + 1)}, {math.Inf(1)},
	{time.Unix(0, 0).UTC()}, {time.Unix(0, 1).UTC()}, {time.Unix(0, 0).In(time.FixedZone("A", 3600))},
	{time.Unix(0, 0).In(time.FixedZone("B", 3600))}, {time.Unix(0, 0).In(time.FixedZone("A", 7200))}, {time.Time{}},
	{[]string(nil)}, {[]string{}}, {[]string{""}}, {[]string{"a", "b"}}, {[]string{"ab"}}, {[]string{"b", "a"}}, {[]int64{1}}, {[]int32{1}},
	{[]any{"a"}}, {[]any{name("a")}}, {[]any{nil}}, {[]*string{nil}}, {[]*string{pointer("a")}}, {[2]string{"a", "b"}},
	{(*string)(nil)}, {(*int)(nil)}, {pointer("a")}, {pointer("")}, {pointer(1)}, {pointer(pointer(1))}, {pointer([]byte("a"))},
	{map[string]any{}}, {map[string]any{"a": 1}}, {map[string]any{"a": nil}}, {map[string]any{"a": 1, "b": 2}}, {map[string]int{"a": 1}},
	{pgx.NamedArgs{"a": 1}}, {pgx.StrictNamedArgs{"a": 1}}, {pgx.NamedArgs{"a": says{"x"}}},
	{uuid{1}}, {uuid{2}}, {point{1, 2}}, {point{2, 1}},
	{netip.MustParseAddr("10.0.0.1")}, {netip.MustParseAddr("::ffff:10.0.0.1")}, {netip.MustParsePrefix("10.0.0.0/8")},
	{pgtype.Text{}}, {pgtype.Text{Valid: true}}, {pgtype.Int4{Int32: 1, Valid: true}}, {pgtype.Int8{Int64: 1, Valid: true}},
	{pgtype.Timestamptz{Time: time.Unix(1, 0), Valid: true}}, {pgtype.Interval{Days: 1, Valid: true}},
	{pgx.QueryExecModeExec}, {pgx.QueryExecModeExec, "a"}, {pgx.QueryExecModeDescribeExec, "a"}, {pgx.QueryResultFormats{0}},
	{says{int64(7)}}, {says{"seven"}},
}

func TestArgumentsAreWrittenAlikeOnlyIfTheyAreTheSame(t *testing.T) {
	seen := make(map[string]int)
	for i, values := range differentArguments {
		text, own, ok := canonical(arguments(values...))
		if !ok {
			t.Errorf("%#v cannot be compared", values)
			continue
		}
		if j, ok := seen[text]; ok {
			t.Errorf("%#v is written as %#v is", values, differentArguments[j])
		}
		seen[text] = i
		if again, _, _ := canonical(arguments(values...)); again != text {
			t.Errorf("%#v is written in two ways", values)
		}
		if twice, _, _ := canonical(own); twice != text {
			t.Errorf("the copy of %#v is another: %#v", values, own)
		}
	}
	named := []driver.NamedValue{{Ordinal: 1, Name: "a", Value: "a"}}
	if text, _, ok := canonical(named); !ok || text == mustCanonical(t, "a") {
		t.Error("an argument with a name is taken for one without")
	}
}

func mustCanonical(t *testing.T, values ...any) string {
	t.Helper()
	text, _, ok := canonical(arguments(values...))
	if !ok {
		t.Fatalf("%#v cannot be compared", values)
	}
	return text
}

func TestArgumentsThatAreTheSameAreWrittenAlike(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zones here")
	}
	now := time.Now()
	for _, c := range [][2]any{
		{math.NaN(), math.NaN()},
		{now, now.Round(0)}, // without the monotonic clock
		{now.In(berlin), now.In(berlin)},
		{pointer("a"), pointer("a")},
		{[]byte("a"), []byte("a")},
		{map[string]any{"a": 1, "b": 2, "c": 3}, map[string]any{"c": 3, "b": 2, "a": 1}},
		{says{"x"}, "x"}, // what a Valuer says is what counts
		{&says{"x"}, "x"}, {(*says)(nil), nil},
		{sql.NullString{String: "x", Valid: true}, "x"}, {sql.NullString{String: "x"}, nil},
		{sql.Null[int64]{V: 3, Valid: true}, int64(3)},
		{[]any{says{"x"}}, []any{"x"}},
	} {
		if a, b := mustCanonical(t, c[0]), mustCanonical(t, c[1]); a != b {
			t.Errorf("%#v and %#v are taken for two", c[0], c[1])
		}
	}
}

func TestArgumentsThatCannotBeComparedOrCopiedAreNotShared(t *testing.T) {
	circle := &linked{}
	circle.Next = circle
	var deep any = 1
	for range 2 * maxNesting {
		deep = []any{deep}
	}
	self := []any{nil}
	self[0] = self
	for what, v := range map[string]any{
		"a function": func() {}, "a channel": make(chan int), "a struct with a pointer": linked{}, "a circle": circle,
		"a slice in itself": self, "something deep": deep, "a big number": big.NewInt(1), "a Numeric": pgtype.Numeric{Int: big.NewInt(1), Valid: true},
		"a Valuer that fails": fails{}, "a Valuer of what is no value": says{[]int{1}}, "Valuers in a slice of their type": several{{"x"}},
		"a long text": string(make([]byte, maxArguments+1)), "long bytes": make([]byte, maxArguments+1),
		"many": make([]int64, maxArguments), "an output": sql.Out{Dest: pointer(1)}, "a complex": complex(1, 2), "a rewriter": rewriter{},
	} {
		if _, _, ok := canonical(arguments(v)); ok {
			t.Errorf("%s can be compared", what)
		}
	}
}

type rewriter struct{ pgx.QueryRewriter }

// Who has left may do with his arguments what he likes, while the execution that he began still reads its own.
func TestTheCopyOfArgumentsIsNobodyElses(t *testing.T) {
	blob, texts, number := []byte("before"), []string{"before"}, pointer(1)
	nested, named := [][]byte{[]byte("before")}, pgx.NamedArgs{"a": []byte("before")}
	args := arguments(blob, texts, number, nested, named)
	_, own, ok := canonical(args)
	if !ok {
		t.Fatal("they cannot be compared")
	}
	before := mustCanonical(t, []byte("before"), []string{"before"}, pointer(1), [][]byte{[]byte("before")}, pgx.NamedArgs{"a": []byte("before")})
	copy(blob, "after!")
	texts[0], *number = "after", 2
	copy(nested[0], "after!")
	copy(named["a"].([]byte), "after!")
	named["b"] = 1
	if text, _, _ := canonical(own); text != before {
		t.Errorf("the copy has changed: %v", own)
	}
	for i := range own {
		if got, want := reflect.TypeOf(own[i].Value), reflect.TypeOf(args[i].Value); got != want {
			t.Errorf("the copy is a %s, and not a %s", got, want)
		}
	}
}

// Where there is no room for a name, arguments of two names are not the same.
func TestNamesOfArgumentsAreNeverLeftOut(t *testing.T) {
	long := strings.Repeat("x", maxArguments-20)
	for _, args := range [][]driver.NamedValue{
		{{Ordinal: 1, Value: long}, {Ordinal: 2, Name: strings.Repeat("a", 30), Value: int64(1)}},
		{{Ordinal: 1, Name: strings.Repeat("a", maxArguments+1), Value: int64(1)}},
	} {
		if _, _, ok := canonical(args); ok {
			t.Error("a name that was not written is said to be compared")
		}
	}
}
