package pooldriver

import "testing"

func TestWhatStaysWithASessionIsToldApartFromWhatOnlyLooksLikeIt(t *testing.T) {
	opts := &Options{Pooler: PoolerTransaction, Tracked: []string{"intervalstyle"}}
	for query, want := range map[string]string{
		"; set work_mem to '1MB'":  "SET",
		";;-- first\n;listen jobs": "LISTEN",
		"deallocate all":           "DEALLOCATE",
		"deallocate p":             "DEALLOCATE",
		"declare c cursor\n  WITH  -- x\n hold for select 1":    "DECLARE … WITH HOLD",
		`declare "for" binary no scroll cursor with hold for x`: "DECLARE … WITH HOLD",
		"create local temporary table t (n int)":                "CREATE TEMPORARY",
		"create global temp table t (n int)":                    "CREATE TEMPORARY",
		"create or replace temp view v as select 1":             "CREATE TEMPORARY",
		`set "work_mem" to '1MB'`:                               "SET",
		`reset "work_mem"`:                                      "RESET",
		`set session "role" to x`:                               "SET",
		"select pg_catalog.pg_advisory_lock(1)":                 "pg_advisory_lock",
		"select pg_catalog.pg_try_advisory_lock_shared(1)":      "pg_try_advisory_lock_shared",

		"declare c cursor for select 'with hold'":                         "",
		"declare c cursor without hold for select 'with hold'":            "",
		`declare "with hold" cursor for select 1`:                         "",
		"declare c cursor for with hold as (select 1) select * from hold": "",
		"select pg_catalog.pg_advisory_xact_lock(1)":                      "",
		"select pg_catalog.now()":                                         "",
		"declare":                                                         "",
		"declare \"":                                                      "",
		"declare c cursor with":                                           "",
		`set "TimeZone" to 'UTC'`:                                         "",
		`set session "DateStyle" to 'ISO'`:                                "",
		`reset "IntervalStyle"`:                                           "",
		"create or replace view temp as select 1":                         "",
		"create table temp (n int)":                                       "",
		"create or":                                                       "",
		";":                                                               "",
	} {
		if got, _ := opts.leavesBehind(query, false); got != want {
			t.Errorf("%q: refused as %q, want %q", query, got, want)
		}
	}
}
