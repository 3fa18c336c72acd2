package conformance

import "github.com/jackc/pgx/v5"

// PoolsqlDiffers are the differences between poolsql and pgx/stdlib by itself.
var PoolsqlDiffers = concat(busyDiffers, planDiffers, contextDiffers(canceling, "context.Canceled"),
	contextDiffers(expiring, "context.DeadlineExceeded"), closeDiffers)

func concat(parts ...[]Difference) (all []Difference) {
	for _, part := range parts {
		all = append(all, part...)
	}
	return all
}

var (
	named     = []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement}
	described = []pgx.QueryExecMode{pgx.QueryExecModeCacheDescribe}
	exec      = []pgx.QueryExecMode{pgx.QueryExecModeExec}
	// others are all but exec.
	others = []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeSimpleProtocol,
	}
)

const (
	busyReason = "a connection with rows open is no bad connection: the error says what to do, and database/sql does not " +
		"try the statement again elsewhere"
	brokenReason = "pgx leaves the connection unusable when it is busy in this mode"
	beginReason  = "the second BEGIN would only be a warning, and the second transaction's end the first one's"
	planReason   = "a plan that the server refuses is made anew, and the statement, which has not begun, is run again"
	endedReason  = "an ended context is no bad connection: nothing was sent, so the connection stays"
	keptReason   = "the server is asked to cancel, and answers: the connection lives on, and the error holds the answer beside the context's"
	fasterReason = "the server's answer may come before database/sql has closed the rows, whose error it is then"
	closedReason = "who waits for a connection learns that the pool was closed, how long he had waited, and in what class"
)

var busyDiffers = []Difference{
	{
		Case: "second statement while rows are open", Steps: []string{"exec"},
		Want: "driver.ErrBadConn", Got: "poolsql: busy", Reason: busyReason,
	},
	{
		Case: "second statement while rows are open", Steps: []string{"query"}, Modes: others,
		Want: "driver.ErrBadConn", Got: "poolsql: busy", Reason: busyReason,
	},
	{
		Case: "second statement while rows are open", Steps: []string{"query"}, Modes: exec,
		Want: "error conn busy", Got: "poolsql: busy", Reason: busyReason,
	},
	{
		Case: "second statement while rows are open", Steps: []string{"rest"}, Modes: exec,
		Want: `["g"] ok | error conn busy, close: ok`, Got: `["g"] ok | int64(2) | int64(3) | ok, close: ok`, Reason: brokenReason,
	},
	{
		Case: "second statement while rows are open", Steps: []string{"afterwards"}, Modes: exec,
		Want: "driver.ErrBadConn", Got: "3 rows affected, ok; id: error LastInsertId is not supported by this driver",
		Reason: brokenReason,
	},
	{
		Case: "second statement while rows are open", Steps: []string{"commit"}, Modes: exec,
		Want: "error conn busy", Got: "ok", Reason: brokenReason,
	},
	{
		Case: "second statement while rows are open", Steps: []string{"left"}, Modes: exec,
		Want: `["note"] ok | string("first") | <nil>(<nil>) | string("last") | ok, close: ok`,
		Got:  `["note"] ok | string("z") | string("z") | string("z") | ok, close: ok`, Reason: brokenReason,
	},
	{
		Case: "a second transaction on a Conn", Steps: []string{"second"},
		Want: "ok", Got: "error poolsql: the session is in a transaction already", Reason: beginReason,
	},
	{
		Case: "a second transaction on a Conn", Steps: []string{"second rolls back"},
		Want: "ok", Got: absent, Reason: beginReason,
	},
	{
		Case: "a second transaction on a Conn", Steps: []string{"left"},
		Want: `["note"] ok | string("first") | <nil>(<nil>) | string("last") | ok, close: ok`,
		Got:  `["note"] ok | string("first") | string("first") | string("first") | ok, close: ok`, Reason: beginReason,
	},
}

const (
	rowWithMore = `["id" "name" "note" "more"] ok | int64(1), string("Ada"), string("first"), int64(5) | ok, close: ok`
	rowsOfMore  = `["id" "name" "note" "more"] ok | int64(1), string("Ada"), string("first"), int64(5) | ` +
		`int64(2), string("Grace"), <nil>(<nil>), int64(5) | int64(3), string("Edsger"), string("last"), int64(5) | ok, close: ok`
)

var planDiffers = []Difference{
	{
		Case: "columns added under a cached plan",
		Steps: []string{
			"after, statement", "after, statement#2", "after, statement#3",
			"after, with argument", "after, with argument#2", "after, with argument#3",
		},
		Want: "SQLSTATE 0A000", Got: rowWithMore, Reason: planReason,
	},
	{
		Case: "columns added under a cached plan", Steps: []string{"after, exec", "after, exec#2", "after, exec#3"},
		Want: "SQLSTATE 0A000", Got: "1 rows affected, ok; id: error LastInsertId is not supported by this driver", Reason: planReason,
	},
	{
		Case: "columns added under a cached plan", Steps: []string{"after"}, Modes: named,
		Want: "SQLSTATE 0A000", Got: rowsOfMore, Reason: planReason,
	},
	{
		Case: "columns added under a cached plan", Steps: []string{"after"}, Modes: described,
		Want: "SQLSTATE 08P01", Got: rowsOfMore, Reason: planReason,
	},
	{
		Case: "statements dropped by the user", Steps: []string{"deallocate all: after", "discard all: after"}, Modes: named,
		Want: "SQLSTATE 26000", Got: `["name"] ok | string("Ada") | ok, close: ok`, Reason: planReason,
	},
	{
		Case: "statements dropped by the user",
		Steps: []string{
			"deallocate all: statement", "deallocate all: statement#2", "discard all: statement", "discard all: statement#2",
		},
		Want: "SQLSTATE 26000", Got: `["name"] ok | string("Grace") | ok, close: ok`, Reason: planReason,
	},
}

// contextDiffers are the differences where a context ends.
func contextDiffers(e ending, as string) []Difference {
	canceled := "SQLSTATE 57014 and " + as
	return []Difference{
		{
			Case: e.name + " before the call", Steps: []string{"exec on a conn"},
			Want: "driver.ErrBadConn", Got: as, Reason: endedReason,
		},
		{
			Case: e.name + " before the call", Steps: []string{"query on a conn", "begin on a conn"},
			Want: "sql.ErrConnDone", Got: as, Reason: endedReason,
		},
		{
			Case: e.name + " before the call", Steps: []string{"connection kept"},
			Want: "false", Got: "true", Reason: endedReason,
		},
		{
			Case: e.name + " in a statement", Steps: []string{"exec", "exec#2", "exec#3", "exec with argument", "query", "row"},
			Want: as, Got: canceled, Reason: keptReason,
		},
		{
			Case: e.name + " between rows", Steps: []string{"after 1 rows", "after 1000 rows"},
			Want: as, Got: canceled, Rare: true, Reason: fasterReason,
		},
		{
			Case: e.name + " of a statement's preparation", Steps: []string{"sleep"},
			Want: as, Got: canceled, Reason: keptReason,
		},
		{
			Case: e.name + " in a transaction's statement", Steps: []string{"sleep", "sleep#2"},
			Want: as, Got: canceled, Reason: keptReason,
		},
		{
			Case: e.name + " in a transaction's statement", Steps: []string{"commit: next", "rollback: next"},
			Want: "driver.ErrBadConn", Got: "SQLSTATE 25P02", Reason: keptReason,
		},
		{
			Case: e.name + " in a transaction's statement", Steps: []string{"commit"},
			Want: "error conn closed", Got: "pgx.ErrTxCommitRollback", Reason: keptReason,
		},
		{
			Case: e.name + " in a transaction's statement", Steps: []string{"rollback"},
			Want: "error conn closed", Got: "ok", Reason: keptReason,
		},
		{
			Case: e.name + " in a Conn's statement", Steps: []string{"sleep"},
			Want: as, Got: canceled, Reason: keptReason,
		},
		{
			Case: e.name + " in a Conn's statement", Steps: []string{"next"},
			Want: "driver.ErrBadConn", Got: "ok", Reason: keptReason,
		},
		{
			Case: e.name + " in a Conn's statement", Steps: []string{"close"},
			Want: "sql.ErrConnDone", Got: "ok", Reason: keptReason,
		},
	}
}

var closeDiffers = []Difference{
	{
		Case: "close of the database while somebody waits", Steps: []string{"waiter"},
		Want: "error sql: database is closed", Got: "poolsql: closed", Reason: closedReason,
	},
}
