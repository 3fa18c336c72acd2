package docscheck

import (
	"regexp"
	"testing"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/internal/testdb"
)

// sqlBlock matches a block of SQL; those of the runbooks are asked of a server by another test.
var sqlBlock = regexp.MustCompile("(?ms)^```sql\n(.*?)^```")

// TestThePolicyOfThePageHolds has a server take the policy that the page on tags shows, and asks as the page says.
func TestThePolicyOfThePageHolds(t *testing.T) {
	testdb.NoLeaks(t)
	blocks := sqlBlock.FindAllStringSubmatch(readFile(t, "docs/tags.md"), -1)
	if len(blocks) != 1 {
		t.Fatalf("docs/tags.md has %d blocks of SQL", len(blocks))
	}
	dsn, err := testdb.New(t).OrdinaryDSN(t.Context()) // a superuser sees everything
	if err != nil {
		t.Fatal(err)
	}
	db, err := poolsql.Open(poolsql.Config{DSN: dsn, SessionSettings: []string{"app.tenant=tenant"}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		"create table accounts (tenant text not null)", "insert into accounts values ('acme'), ('acme'), ('zenith')", blocks[0][1],
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for tenant, want := range map[string]int{"acme": 2, "zenith": 1, "": 0} {
		var got int
		row := db.QueryRowContext(poolsql.WithTenant(t.Context(), tenant), "select count(*) from accounts")
		if err := row.Scan(&got); err != nil || got != want {
			t.Errorf("tenant %q sees %d rows, %v; want %d", tenant, got, err, want)
		}
	}
}
