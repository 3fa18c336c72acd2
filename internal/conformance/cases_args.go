package conformance

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

type valuer struct{ f func() (driver.Value, error) }

func (v valuer) Value() (driver.Value, error) { return v.f() }

// pointerValuer's method is on the pointer, so that a nil one can be asked.
type pointerValuer struct{ s string }

func (v *pointerValuer) Value() (driver.Value, error) {
	if v == nil {
		return "value of nil", nil
	}
	return "value " + v.s, nil
}

type (
	myString string
	myInt    int16
)

var errValuer = errors.New("no value")

var argumentCases = []Case{
	{Name: "arguments of Go's types", Run: func(r *Run) {
		moment := time.Date(2024, 2, 29, 12, 30, 15, 123456000, time.UTC)
		s := "pointed at"
		for _, c := range []struct {
			as  string
			arg any
		}{
			{"bool", true}, {"int2", int16(-7)}, {"int4", int32(1 << 30)}, {"int8", int64(math.MinInt64)}, {"int4", 42},
			{"int4", uint8(255)}, {"int8", uint64(math.MaxUint64)}, {"int2", 70000}, {"text", 42}, {"int4", "42"},
			{"float8", 1.5}, {"float4", float32(0.1)}, {"float8", math.NaN()}, {"float8", math.Inf(-1)}, {"float8", 3},
			{"numeric", 1.5}, {"numeric", "12345678901234567890.123456789"}, {"numeric", math.NaN()}, {"numeric", 7},
			{"text", "plain"}, {"text", ""}, {"varchar(3)", "abcdef"}, {"text", []byte("bytes")}, {"bytea", []byte{0, 1, 255}},
			{"bytea", []byte{}}, {"bytea", []byte(nil)}, {"bytea", "text"}, {"text", &s}, {"text", (*string)(nil)},
			{"text", myString("mine")}, {"int4", myInt(5)}, {"timestamptz", moment}, {"timestamp", moment}, {"date", moment},
			{"timestamptz", moment.In(time.FixedZone("x", 3600))}, {"time", "10:20:30"}, {"interval", 90 * time.Minute},
			{"interval", "1 day 2 hours"}, {"json", json.RawMessage(`{"a": 1}`)}, {"jsonb", map[string]int{"b": 2}},
			{"jsonb", `{"c": 3}`}, {"jsonb", []byte(`[1]`)}, {"uuid", "00112233-4455-6677-8899-aabbccddeeff"},
			{"uuid", [16]byte{1, 2, 3}}, {"inet", netip.MustParseAddr("10.0.0.1")}, {"cidr", netip.MustParsePrefix("10.0.0.0/8")},
			{"int4[]", []int32{1, 2, 3}}, {"text[]", []string{"a", "", "c,d"}}, {"text[]", []*string{&s, nil}},
			{"int4[]", [][]int32{{1, 2}, {3, 4}}}, {"int4[]", []int32(nil)}, {"int4[]", "{1,2}"}, {"int4", nil},
			{"bool", "yes"}, {"bool", "maybe"}, {"int4", "maybe"}, {"text", make(chan int)},
		} {
			r.Query(fmt.Sprintf("%s as %s", value(describable(c.arg)), c.as), r.DB, "select $1::"+c.as, c.arg)
		}
	}},
	{Name: "arguments of pgx's types", Run: func(r *Run) {
		for _, c := range []struct {
			as  string
			arg any
		}{
			{"numeric", pgtype.Numeric{}}, {"numeric", pgtype.Numeric{NaN: true, Valid: true}},
			{"int4", pgtype.Int4{Int32: 3, Valid: true}}, {"int4", pgtype.Int4{}}, {"text", pgtype.Text{String: "t", Valid: true}},
			{"timestamptz", pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}},
			{"date", pgtype.Date{InfinityModifier: pgtype.NegativeInfinity, Valid: true}},
			{"interval", pgtype.Interval{Microseconds: 5, Days: 4, Months: 3, Valid: true}},
			{"uuid", pgtype.UUID{Bytes: [16]byte{9}, Valid: true}}, {"bool", pgtype.Bool{Bool: true, Valid: true}},
			{"int4range", pgtype.Range[pgtype.Int4]{
				Lower: pgtype.Int4{Int32: 1, Valid: true}, Upper: pgtype.Int4{Int32: 5, Valid: true},
				LowerType: pgtype.Inclusive, UpperType: pgtype.Exclusive, Valid: true,
			}},
			{"point", pgtype.Point{P: pgtype.Vec2{X: 1, Y: 2}, Valid: true}}, {"bit(3)", pgtype.Bits{Bytes: []byte{0xa0}, Len: 3, Valid: true}},
			{"hstore_missing", pgtype.Hstore{"a": nil}}, {"int4[]", pgtype.FlatArray[int32]{1, 2}},
		} {
			r.Query(fmt.Sprintf("%T as %s", c.arg, c.as), r.DB, "select $1::"+c.as, c.arg)
		}
	}},
	{Name: "sql.Null arguments", Run: func(r *Run) {
		for _, arg := range []any{
			sql.NullString{}, sql.NullString{String: "s", Valid: true}, sql.NullInt64{Int64: 1, Valid: true}, sql.NullInt64{},
			sql.NullBool{Bool: true, Valid: true}, sql.NullFloat64{Float64: 1.25, Valid: true}, sql.NullTime{},
			sql.Null[int]{V: 3, Valid: true}, sql.Null[string]{}, &sql.NullString{String: "p", Valid: true}, (*sql.NullString)(nil),
		} {
			r.Query(fmt.Sprintf("%T %v", arg, describable(arg)), r.DB, "select ($1::text)", arg)
		}
	}},
	{Name: "Valuers", Run: func(r *Run) {
		for _, c := range []struct {
			name string
			arg  any
		}{
			{"string", valuer{func() (driver.Value, error) { return "v", nil }}},
			{"nil", valuer{func() (driver.Value, error) { return nil, nil }}},
			{"time", valuer{func() (driver.Value, error) { return time.Unix(0, 0).UTC(), nil }}},
			{"no driver value", valuer{func() (driver.Value, error) { return struct{}{}, nil }}},
			{"fails", valuer{func() (driver.Value, error) { return nil, errValuer }}},
			{"fails as canceled", valuer{func() (driver.Value, error) { return nil, context.Canceled }}},
			{"pointer", &pointerValuer{"p"}}, {"nil pointer", (*pointerValuer)(nil)},
		} {
			r.Query(c.name, r.DB, "select $1::text", c.arg)
			r.Exec(c.name+", exec", r.DB, "select $1::text", c.arg)
		}
	}},
	{Name: "a Valuer fails in a transaction", Run: func(r *Run) {
		tx, err := r.DB.BeginTx(r.Ctx, nil)
		r.Must(err)
		r.Exec("fails", tx, "select $1::text", valuer{func() (driver.Value, error) { return nil, errValuer }})
		r.Query("goes on", tx, "select 1")
		r.Err("commit", tx.Commit())
	}},
	{Name: "a Valuer panics", Conns: 2, Run: func(r *Run) {
		panicking := valuer{func() (driver.Value, error) { panic("valuer") }}
		for range 3 { // more often than there are connections
			r.Caught("exec", func() error { _, err := r.DB.ExecContext(r.Ctx, "select $1::text", panicking); return err })
		}
		r.Query("afterwards", r.DB, "select 1")
	}},
	{Name: "named arguments of database/sql", Run: func(r *Run) {
		r.Query("one", r.DB, "select $1::int", sql.Named("x", 1))
		r.Query("at sign", r.DB, "select @x::int", sql.Named("x", 1))
		r.Query("bad name", r.DB, "select $1::int", sql.Named("1x", 1))
		r.Exec("out", r.DB, "select $1::int", sql.Out{Dest: new(int)})
	}},
}

var optionCases = []Case{
	{Name: "pgx's options as first argument", Setup: people, Run: func(r *Run) {
		for _, mode := range AllModes {
			r.Query("query as "+mode.String(), r.DB, "select name from people where id = $1", mode, 1)
			r.Exec("exec as "+mode.String(), r.DB, "update people set note = $1 where id = 1", mode, "n")
			r.Query("query without arguments as "+mode.String(), r.DB, "select id from people order by id", mode)
		}
		r.Exec("several statements", r.DB, "update people set note = 'm'; select 1", pgx.QueryExecModeSimpleProtocol)
		r.Query("named", r.DB, "select name from people where id = @id", pgx.NamedArgs{"id": 2})
		r.Exec("named", r.DB, "update people set note = @note where id = @id", pgx.NamedArgs{"id": 2, "note": "o"})
		r.Query("strict named, one missing", r.DB, "select @a::int, @b::int", pgx.StrictNamedArgs{"a": 1})
		r.Query("mode and named", r.DB, "select @a::int", pgx.QueryExecModeExec, pgx.NamedArgs{"a": 1})
		r.Query("result formats", r.DB, "select id from people order by id", pgx.QueryResultFormats{pgx.TextFormatCode})
		r.Query("failing rewriter", r.DB, "select 1", failingRewriter{})
		r.Query("option too late", r.DB, "select $1::int", 1, pgx.QueryExecModeExec)
	}},
	{Name: "pgx's options to a prepared statement", Setup: people, Run: func(r *Run) {
		st, err := r.DB.PrepareContext(r.Ctx, "select name from people where id = $1")
		r.Must(err)
		defer st.Close()
		rows, err := st.QueryContext(r.Ctx, pgx.QueryExecModeExec, 1)
		r.rows("mode", rows, err)
		rows, err = st.QueryContext(r.Ctx, pgx.NamedArgs{"id": 1})
		r.rows("named", rows, err)
	}},
}

type failingRewriter struct{}

func (failingRewriter) RewriteQuery(context.Context, *pgx.Conn, string, []any) (string, []any, error) {
	return "", nil, errValuer
}

// describable is an argument that can be part of a step's name: what differs from run to run is left out.
func describable(arg any) any {
	switch arg := arg.(type) {
	case *string:
		return fmt.Sprintf("%T", arg)
	case []*string, chan int, *sql.NullString:
		return fmt.Sprintf("%T", arg)
	default:
		return arg
	}
}
