package conformance

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
)

const everything = `create type mood as enum ('sad', 'glad');
	create domain small as int check (value < 10);
	create type pair as (a int, b text);
	create table everything (
		c_bool bool, c_int2 int2, c_int4 int4, c_int8 int8, c_float4 float4, c_float8 float8,
		c_numeric numeric, c_numeric_10_2 numeric(10, 2), c_money money,
		c_text text not null default '', c_varchar varchar, c_varchar_5 varchar(5), c_char_3 char(3), c_name name, c_bytea bytea,
		c_bit_4 bit(4), c_varbit_8 varbit(8),
		c_date date, c_time time, c_timetz timetz, c_timestamp timestamp, c_timestamptz timestamptz, c_interval interval,
		c_json json, c_jsonb jsonb, c_xml xml, c_uuid uuid, c_inet inet, c_cidr cidr, c_macaddr macaddr,
		c_int4range int4range, c_tstzrange tstzrange, c_point point, c_box box,
		c_ints int4[], c_texts text[], c_times timestamptz[], c_mood mood, c_small small, c_pair pair,
		c_oid oid, c_regclass regclass, c_tsvector tsvector, c_pg_lsn pg_lsn);
	insert into everything values (
		true, -32768, 2147483647, -9223372036854775808, 0.1, 1e300, 123456789012345678901234567890.5, 12345678.90, 12.34,
		'text', 'varchar', 'five', 'ab', 'name', '\x00ff', b'1010', b'101',
		'2024-02-29', '10:20:30.123456', '10:20:30+02', '2024-02-29 10:20:30.123456', '2024-02-29 10:20:30.123456+02', '1 mon 2 days 03:04:05',
		'{"a": 1}', '{"b": [2]}', '<x/>', '00112233-4455-6677-8899-aabbccddeeff', '10.1.2.3/8', '10.0.0.0/8', '08:00:2b:01:02:03',
		'[1,5)', '[2024-01-01 00:00:00+00,)', '(1,2)', '(1,2),(0,0)',
		'{1,null,3}', '{a,"b c",null}', '{2024-02-29 10:20:30+00}', 'glad', 7, '(1,x)',
		42, 'pg_class', 'a fat cat', '16/B374D848');
	insert into everything default values;
	insert into everything (c_float4, c_float8, c_numeric, c_date, c_timestamp, c_timestamptz, c_int4range, c_ints)
		values ('nan', '-infinity', 'nan', 'infinity', '-infinity', 'infinity', 'empty', '{}');`

var typeCases = []Case{
	{Name: "values of every type", Setup: everything, Run: func(r *Run) {
		r.Query("all", r.DB, "select * from everything")
		r.Query("with argument", r.DB, "select * from everything where $1", true)
	}},
	{Name: "column types", Setup: everything, Run: func(r *Run) {
		rows, err := r.DB.QueryContext(r.Ctx, "select *, null as c_unknown, 'x' as c_literal, array_agg(1) over () as c_agg from everything")
		r.columnTypes("query", rows, err)
		rows, err = r.DB.QueryContext(r.Ctx, "select * from everything where false and $1", true)
		r.columnTypes("no rows", rows, err)
		st, err := r.DB.PrepareContext(r.Ctx, "select * from everything")
		r.Must(err)
		defer st.Close()
		rows, err = st.QueryContext(r.Ctx)
		r.columnTypes("statement", rows, err)
		tx, err := r.DB.BeginTx(r.Ctx, nil)
		r.Must(err)
		rows, err = tx.QueryContext(r.Ctx, "select * from everything")
		r.columnTypes("transaction", rows, err)
		r.Err("rollback", tx.Rollback())
	}},
}

// ownType matches the OID of a type that the case made, which is another in each database.
var ownType = regexp.MustCompile(`^[1-9][0-9]{4,}$`)

// columnTypes notes all that can be known of the columns.
func (r *Run) columnTypes(name string, rows *sql.Rows, err error) {
	r.Must(err)
	defer rows.Close()
	types, err := rows.ColumnTypes()
	r.Err(name, err)
	for _, t := range types {
		length, hasLength := t.Length()
		precision, scale, hasPrecision := t.DecimalSize()
		nullable, knowsNullable := t.Nullable()
		r.Note(name+" "+t.Name(), "%s, length %d %t, decimal %d %d %t, nullable %t %t, scan %v",
			ownType.ReplaceAllString(t.DatabaseTypeName(), "OID"), length, hasLength, precision, scale, hasPrecision, nullable, knowsNullable, t.ScanType())
	}
	rows.Close()
	_, err = rows.ColumnTypes()
	r.Err(name+" after close", err)
}

var scanCases = []Case{
	{Name: "scan targets", Setup: everything, Run: func(r *Run) {
		types := pgtype.NewMap()
		for _, c := range []struct {
			column string
			into   func() any
			byMap  bool // through pgtype.Map.SQLScanner
		}{
			{"c_int4", func() any { return new(int) }, false}, {"c_int4", func() any { return new(string) }, false}, {"c_int4", func() any { return new(bool) }, false},
			{"c_int8", func() any { return new(int32) }, false}, {"c_int2", func() any { return new(uint16) }, false}, {"c_int4", func() any { return new(*int) }, false},
			{"c_float8", func() any { return new(float64) }, false}, {"c_float4", func() any { return new(float32) }, false}, {"c_float4", func() any { return new(float64) }, false},
			{"c_numeric_10_2", func() any { return new(float64) }, false}, {"c_numeric", func() any { return new(string) }, false}, {"c_numeric", func() any { return new(pgtype.Numeric) }, false},
			{"c_text", func() any { return new([]byte) }, false}, {"c_text", func() any { return new(sql.NullString) }, false}, {"c_text", func() any { return new(pgtype.Text) }, false},
			{"c_bool", func() any { return new(sql.NullBool) }, false}, {"c_bool", func() any { return new(string) }, false}, {"c_int8", func() any { return new(sql.NullInt64) }, false},
			{"c_date", func() any { return new(time.Time) }, false}, {"c_date", func() any { return new(pgtype.Date) }, false}, {"c_timestamptz", func() any { return new(sql.NullTime) }, false},
			{"c_timestamptz", func() any { return new(pgtype.Timestamptz) }, false}, {"c_timestamp", func() any { return new(string) }, false}, {"c_time", func() any { return new(time.Time) }, false},
			{"c_interval", func() any { return new(pgtype.Interval) }, false}, {"c_json", func() any { return new(json.RawMessage) }, false}, {"c_jsonb", func() any { return new(string) }, false},
			{"c_uuid", func() any { return new(pgtype.UUID) }, false}, {"c_uuid", func() any { return new([16]byte) }, false}, {"c_inet", func() any { return new([]byte) }, true},
			{"c_ints", func() any { return new([]*int32) }, true}, {"c_texts", func() any { return new([]pgtype.Text) }, true},
			{"c_times", func() any { return new([]time.Time) }, true}, {"c_ints", func() any { return new([]int32) }, false},
			{"c_int4range", func() any { return new(pgtype.Range[pgtype.Int4]) }, true}, {"c_point", func() any { return new(pgtype.Point) }, false},
			{"c_bytea", func() any { return new([]byte) }, false}, {"c_bytea", func() any { return new(string) }, false}, {"c_mood", func() any { return new(myString) }, false},
			{"c_small", func() any { return new(int) }, false}, {"c_oid", func() any { return new(uint32) }, false}, {"c_text", func() any { return new(any) }, false},
			{"c_float8", func() any { return new(sql.Null[float64]) }, false}, {"c_bit_4", func() any { return new(pgtype.Bits) }, true},
		} {
			step := fmt.Sprintf("%s into %T", c.column, c.into())
			rows, err := r.DB.QueryContext(r.Ctx, "select "+c.column+" from everything")
			r.Must(err)
			for rows.Next() {
				into := c.into()
				target := into
				if c.byMap {
					target = types.SQLScanner(into)
				}
				err := rows.Scan(target)
				r.Note(step, "%s %s", class(err), pointed(into))
			}
			r.Err(step+" end", rows.Err())
			rows.Close()
		}
	}},
}

// pointed is what a scan target points at: as JSON, which follows pointers, or else, for NaN say, as Go prints it.
func pointed(into any) string {
	if b, err := json.Marshal(into); err == nil {
		return string(b)
	}
	return anonymous(fmt.Sprintf("%+v", reflect.ValueOf(into).Elem()))
}
