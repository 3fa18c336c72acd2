package pooldriver

import "testing"

func TestOnlyWhatCanBeSeenToReadAloneIsARead(t *testing.T) {
	for query, want := range map[string]bool{
		"select 1":                         true,
		"SELECT * from item where id = $1": true,
		" \n-- a comment\n/* /* and */ one */ select 1":        true,
		"(select 1) union (select 2)":                          true,
		"with a as (select 1) select * from a":                 true,
		"values (1), (2)":                                      true,
		"table item":                                           true,
		"show statement_timeout":                               true,
		"select 1;":                                            true,
		"select 1; -- the end":                                 true,
		"select 'insert into item', \"update\"":                true,
		"select $$ delete $$, $a$ into $a$, E'it\\'s; delete'": true,
		"select item.update, substring(name for 3) from item":  true,
		"select count(*) from item where note = 'for update'":  true,
		"select for_update from item":                          true,

		"": false, ";": false, "-- nothing": false,
		"insert into item values (1) returning id": false,
		"update item set n = 1 returning n":        false,
		"delete from item returning id":            false,
		"explain analyze delete from item":         false,
		"explain select 1":                         false,
		"call f()":                                 false,
		"begin":                                    false,
		"with gone as (delete from item returning id) select 1":            false,
		"with new as (insert into item values (1) returning id) table new": false,
		"select * into copy from item":                                     false,
		"select * from item for update":                                    false,
		"select * from item FOR /* all */ NO KEY UPDATE":                   false,
		"select * from item for share":                                     false,
		"select * from item for key share skip locked":                     false,
		"select 1; select 2":                                               false,
		"select 1; delete from item":                                       false,
		"select nextval('item_id_seq')":                                    false,
		"select pg_catalog.nextval('item_id_seq')":                         false,
		"select pg_advisory_lock(1)":                                       false,
		"select pg_try_advisory_xact_lock(1)":                              false,
		"select set_config('search_path', 'x', false)":                     false,
		"select 'unfinished":                                               false,
		"select $a$ unfinished $b$":                                        false,
		"select E'it\\'":                                                   false,
		"/* unfinished":                                                    false,
	} {
		if got := readsOnly(query); got != want {
			t.Errorf("%q: a read is %t, want %t", query, got, want)
		}
	}
}

// Nothing that is put behind a read that is complete, or around it, may be overlooked.
func FuzzAReadWithAWriteInItIsNone(f *testing.F) {
	f.Add("select 'it''s', \"a\", $1, $t$x$t$ /* c */ from item -- end")
	f.Add("select 1e5, .5, 0x1f")
	f.Add("seleCt/*00")
	f.Fuzz(func(t *testing.T, read string) {
		if !readsOnly(read) {
			return
		}
		if readsOnly(read + "\n; delete from item") {
			t.Errorf("%q with a second statement is a read", read)
		}
		if readsOnly(read + "\n for update") {
			t.Errorf("%q for update is a read", read)
		}
		if readsOnly("with gone as (delete from item returning 1) " + read) {
			t.Errorf("%q behind a delete is a read", read)
		}
	})
}
