package sqltext_test

import (
	"testing"

	"github.com/poolsql/poolsql/internal/sqltext"
)

// declaredReading are not called reads unless somebody says that they are.
var declaredReading = []string{
	"show statement_timeout", "select mine(1)", "select public.lower('x')", `select "mine"(1)`, "select (mine)(1)",
	"select current_setting('a')", "select * from a.b(1)", "select over(1)", "select pg_backend_pid()", "select max (mine(1))",
}

// neverReading are not called reads whatever somebody says.
var neverReading = []string{
	"insert into item values (1) returning id", "with gone as (delete from item returning id) select 1",
	"select * from item FOR /* all */ NO KEY UPDATE", "select * from item for key share skip locked", "select * into copy from item",
	"select 1; select 2", "show a; delete from item", "call f()", "begin", "explain analyze delete from item",
	"select nextval('s')", "select pg_catalog.nextval('s')", `select "nextval"('s')`, `select pg_catalog . "setval"('s', 1)`,
	"select pg_advisory_lock(1)", "select pg_try_advisory_xact_lock(1)", "select set_config('search_path', 'x', false)",
	"select lo_put(1, 0, '')", "select * from dblink('x', 'delete from t') as (a int)", "select dblink_exec('x', 'delete from t')",
	"select pg_notify('a', 'b')", "select txid_current()", "select mine(nextval('s'))", "select lo_creat(0)",
	"select setseed(0.5)", "select pg_stat_reset()", "select * from ts_stat('delete from item')", "select pg_backup_start('a')",
	"select 'unfinished", "select $a$ unfinished $b$", "select e'it\\'", "/* unfinished", "select u&\"\\006eextval\"('s')",
}

func TestWhoDeclaresAReadIsBelievedAsFarAsItCannotBeSeen(t *testing.T) {
	for _, query := range reading {
		if !sqltext.SeemsToRead(query) {
			t.Errorf("certainly reads, and is not believed: %s", query)
		}
	}
	for _, query := range declaredReading {
		if !sqltext.SeemsToRead(query) {
			t.Errorf("not believed: %s", query)
		}
		if sqltext.Reads(query) {
			t.Errorf("called a read without a word: %s", query)
		}
	}
	for _, query := range neverReading {
		if sqltext.SeemsToRead(query) {
			t.Errorf("believed: %s", query)
		}
	}
}

// Nothing that is put behind a read that is complete, or around it, may be overlooked.
func FuzzADeclaredReadWithAWriteInItIsNone(f *testing.F) {
	f.Add("select 'it''s', \"a\", $1, $t$x$t$ /* c */ from item -- end")
	f.Add("select 1e5, .5")
	f.Add("seleCt/*00")
	f.Fuzz(func(t *testing.T, read string) {
		if !sqltext.SeemsToRead(read) {
			return
		}
		for _, with := range []string{
			read + "\n; delete from item", read + "\n for update", "with gone as (delete from item returning 1) " + read,
		} {
			if sqltext.SeemsToRead(with) {
				t.Errorf("%q is believed to read", with)
			}
		}
	})
}
