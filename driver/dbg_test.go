package pooldriver_test
import ("testing";"fmt";"context"; "github.com/jackc/pgx/v5"; "github.com/jackc/pgx/v5/pgconn"; "github.com/poolsql/poolsql")
func TestDbg(t *testing.T){
	var wires faults
	f := open(t, 2)
	f.exec("create sequence runs")
	for _, mode := range []cut{cutAfter, cutSwallowed} {
	for _, q := range []string{"select nextval('runs'), 7", "notify foo"} {
	cfg := poolsql.Config{ConnConfig: parse(t, f.dsn)}
	wires.on(&cfg)
	conn, err := pgx.ConnectConfig(context.Background(), cfg.ConnConfig)
	if err != nil { t.Fatal(err) }
	wires.arm(mode, q, 1)
	_, err = conn.Exec(f.ctx, q)
	fmt.Printf("%d exec %T %v safe=%v\n", mode, err, err, pgconn.SafeToRetry(err))
	conn.Close(f.ctx)
	conn, _ = pgx.ConnectConfig(context.Background(), cfg.ConnConfig)
	wires.arm(mode, "select nextval('runs')", 1)
	rows, err := conn.Query(f.ctx, "select nextval('runs'), $1::int", pgx.QueryExecModeExec, 1)
	fmt.Printf("%d query exec %T %v safe=%v\n", mode, err, err, pgconn.SafeToRetry(err))
	if err == nil { rows.Next(); rows.Close(); err = rows.Err(); fmt.Printf("  %T %v safe=%v\n", err, err, pgconn.SafeToRetry(err))}
	conn.Close(f.ctx)
	conn, _ = pgx.ConnectConfig(context.Background(), cfg.ConnConfig)
	conn.Prepare(f.ctx, "x", "select nextval('runs'), $1::int")
	wires.arm(mode, "B\x00", 1)
	rows, err = conn.Query(f.ctx, "x", 1)
	fmt.Printf("%d query prepared %T %v safe=%v\n", mode, err, err, pgconn.SafeToRetry(err))
	if err == nil { rows.Next(); rows.Close(); err = rows.Err(); fmt.Printf("  %T %v safe=%v\n", err, err, pgconn.SafeToRetry(err))}
	conn.Close(f.ctx)
	}
	}
}
