package sqltext_test

import (
	"testing"

	"github.com/poolsql/poolsql/internal/sqltext"
)

var reading = []string{
	"select 1", "SELECT 1;", "  select 1 ; ; ", "-- why\nselect /* a /* b */ c */ 1 -- end", "table notes", "values (1, 2), (3, 4)",
	"(select 1)", "((select 1) union (select 2)) order by 1", "with a as (select 1) select * from a",
	"with a as not materialized (select 1) select * from a",
	"select * from notes where id = $1 and name in ('a', 'b') limit 10",
	"select count(*) filter (where a > 1), sum(b) over (order by c) from t group by d having max(e) > 2",
	"select lower(name) || 'insert into' from \"delete\" where x = any ($1)", "select 'it''s', $$update$$, $a$delete $$ $a$",
	"select e'\\'; delete from t' from t", "select a::numeric(10, 2), b::varchar(3) from t",
	"select now(), date_trunc('day', at), extract(epoch from at) from t where at > now() - interval '1 day'",
	"select coalesce(a, b), case when (a = 1) then 2 else (3) end, array[1, 2], row(1, 2) from t",
	"select exists (select from t where t.id = u.id) from u", "select 1.5e-3, .5, 1e10, t.a from t",
	"select * from generate_series(1, 10) g, lateral (select g + 1) x", "select \"lower\"('X')", "select @id, :id from t",
}

var perhapsWriting = []string{
	"", ";", "-- nothing", "insert into t values (1)", "update t set a = 1", "delete from t", "merge into t using u on true when matched then delete",
	"with a as (delete from t returning *) select * from a", "with a as (select 1) insert into t select * from a",
	"WITH a AS (UpDaTe t SET b = 1 RETURNING *) TABLE a", "select * into u from t", "select * from t for update",
	"select * from t FOR NO KEY UPDATE", "select * from t for share skip locked", "select nextval('s')", "select setval('s', 1)",
	"select pg_catalog.nextval('s')", "select pg_advisory_lock(1)", "select pg_advisory_xact_lock(1)", "select lo_create(0)",
	"select lo_unlink(1)", "select * from dblink('x', 'delete from t') as (a int)", "select mine(1)", "select public.lower('x')",
	`select "mine"(1)`, `select public."lower"('x')`, `select "public" . lower ('x')`, "select set_config('a.b', 'c', false)",
	"select txid_current()", "select pg_notify('a', 'b')", "select pg_terminate_backend(1)", "select current_setting('a')",
	"explain analyze delete from t", "explain select 1", "copy t from stdin", "copy (select 1) to stdout", "call p()", "do $$begin end$$",
	"select 1; delete from t", "select 1; select 2", ";select 1", "begin", "commit", "set a = b", "show search_path", "reset all",
	"listen a", "notify a", "lock t", "vacuum", "analyze", "truncate t", "create table t ()", "drop table t", "prepare a as select 1",
	"execute a", "deallocate all", "discard all", "declare c cursor for select 1", "fetch c", "refresh materialized view v",
	"select '\\'; delete from t; --'", "select 'unfinished", "select $a$unfinished", "select \"unfinished", "/* unfinished", "select /* unfinished",
	"select U&'\\0061'", "select u&\"mine\"(1)", "select e'a'\n'\\'', mine()", "select 1\x00", "select 1from t", "select $1from", "select 0x1f",
	"select a.b(1)", "select (mine)(1)", "select filter(1)", "select over(1)", "select by(1)", "select groups(1)", "select join(1)",
	"select ran\u212A(1)", "\u212Aselect 1", "select 1)", "(select 1", "select mine (1)", "select mine/**/(1)", "select mine--\n(1)",
	"\"select\" 1", "select 1 \"; \"; delete from t", "select max (pg_advisory_lock(1))", "selectx", "SELECT/**/nextval/**/('s')",
}

func TestOnlyWhatCertainlyReadsIsCalledARead(t *testing.T) {
	for _, query := range reading {
		if !sqltext.Reads(query) {
			t.Errorf("not called a read: %s", query)
		}
	}
	for _, query := range perhapsWriting {
		if sqltext.Reads(query) {
			t.Errorf("called a read: %s", query)
		}
	}
}

func BenchmarkReads(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		sqltext.Reads("select id, name, created_at from accounts where tenant = $1 and created_at > $2 order by created_at limit 50")
	}
}
