package sqltext

import "strings"

func set(words string) map[string]bool {
	m := make(map[string]bool)
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// begins are the words that a statement which reads begins with.
var begins = set(`select with values table`)

var plain = set(`select with values table insert update delete merge`)

// writes are the words of which none stands unquoted in a statement that certainly reads, wherever it stands: those that
// write and lock behind one of the words above. Some have harmless meanings too: for is in substring(a from 1 for 2).
var writes = set(`insert update delete merge into for`)

// beforeParenthesis are words behind which a parenthesis calls no function of the user's. None of them can be the name of
// one, unless it is quoted or qualified, by the grammar of PostgreSQL: they are reserved, or keywords that may name a
// column and no function. Those that may name one (by, join, is, like, rows, …) are missing on purpose.
var beforeParenthesis = set(`
	select from where and or not in any all some as on using group having limit offset distinct union intersect except
	when then else case between values array row interval cast coalesce nullif greatest least exists lateral with
	extract trim substring position overlay grouping
	numeric decimal varchar char character bit time timestamp float precision
`)

// pure are functions of the server that read their arguments, or the clock, and nothing else of which a copy of the
// database would differ. Not among them: what depends on the session or the server (current_setting, pg_backend_pid),
// what takes numbers or locks (nextval, pg_advisory_lock, txid_current), and what is not known.
var pure = set(`
	count sum avg min max bool_and bool_or every string_agg array_agg json_agg jsonb_agg json_object_agg jsonb_object_agg
	stddev stddev_pop stddev_samp variance var_pop var_samp corr covar_pop covar_samp mode percentile_cont percentile_disc
	bit_and bit_or regr_slope regr_intercept regr_count regr_r2
	row_number rank dense_rank percent_rank cume_dist ntile lag lead first_value last_value nth_value
	abs ceil ceiling floor round trunc sign sqrt cbrt power exp ln log mod div pi degrees radians sin cos tan asin acos atan
	atan2 random width_bucket gcd lcm
	lower upper initcap length char_length character_length octet_length bit_length btrim ltrim rtrim lpad rpad left right
	concat concat_ws format repeat replace reverse split_part strpos starts_with substr translate ascii chr md5 sha224 sha256
	sha384 sha512 encode decode quote_ident quote_literal quote_nullable to_hex regexp_match regexp_matches regexp_replace
	regexp_split_to_array regexp_split_to_table string_to_array array_to_string to_char to_number to_date to_timestamp
	now clock_timestamp statement_timestamp transaction_timestamp age date_part date_trunc date_bin make_date make_interval
	make_time make_timestamp make_timestamptz justify_days justify_hours justify_interval isfinite timezone
	array_append array_cat array_dims array_length array_lower array_ndims array_position array_positions array_prepend
	array_remove array_replace array_upper cardinality unnest generate_series generate_subscripts
	json_build_array json_build_object jsonb_build_array jsonb_build_object to_json to_jsonb row_to_json array_to_json
	json_array_elements jsonb_array_elements json_array_elements_text jsonb_array_elements_text json_array_length
	jsonb_array_length json_each jsonb_each json_each_text jsonb_each_text json_extract_path jsonb_extract_path
	json_extract_path_text jsonb_extract_path_text json_object_keys jsonb_object_keys json_typeof jsonb_typeof
	json_strip_nulls jsonb_strip_nulls jsonb_set jsonb_insert jsonb_pretty jsonb_path_exists jsonb_path_match
	jsonb_path_query jsonb_path_query_array jsonb_path_query_first
	to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery ts_rank ts_rank_cd ts_headline
	lower_inc upper_inc isempty int4range int8range numrange tsrange tstzrange daterange
	gen_random_uuid num_nonnulls num_nulls pg_typeof pg_sleep
`)

// impure are functions of the server, and of what comes with it, that leave something behind or take numbers. That a function is
// neither here nor among the pure ones says nothing of it.
var impure = set(`
	nextval setval currval lastval set_config pg_notify txid_current pg_current_xact_id pg_export_snapshot
	pg_cancel_backend pg_terminate_backend pg_reload_conf pg_rotate_logfile pg_promote pg_switch_wal pg_create_restore_point
	lowrite query_to_xml query_to_xmlschema query_to_xml_and_xmlschema cursor_to_xml ts_stat ts_rewrite
	setseed pg_nextoid pg_import_system_collations pg_log_backend_memory_contexts pg_start_backup pg_stop_backup
	gin_clean_pending_list loread pg_rotate_logfile_old pg_stop_making_pinned_objects pg_extension_config_dump pg_sync_replication_slots pg_stat_statements_reset
`)

// impurePrefixes are what the names of whole families of such functions begin with.
var impurePrefixes = []string{
	"pg_advisory_", "pg_try_advisory_", "lo_", "dblink", "pg_logical_", "pg_replication_", "pg_create_logical_", "pg_create_physical_",
	"pg_drop_replication_", "pg_wal_replay_", "pg_stat_reset", "pg_backup_", "binary_upgrade_", "brin_summarize_", "brin_desummarize_",
	"pg_file_", "pg_copy_logical_", "pg_copy_physical_", "pg_restore_", "pg_clear_",
}
