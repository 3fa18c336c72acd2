package connector_test

import (
	"database/sql"
	"runtime"
	"sync"
	"testing"

	"github.com/poolsql/poolsql/connector"
)

func TestALimitOfSessionsIsToldWheneverItIsSet(t *testing.T) {
	opened, err := connector.Open(connector.Config{DSN: "postgres://app@localhost/shop"})
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	c, err := connector.FromDB(opened)
	if err != nil || c.SessionLimit() != 0 {
		t.Fatalf("limit %d, %v", c.SessionLimit(), err)
	}
	opened.SetMaxOpenConns(20)
	if got := c.SessionLimit(); got != 20 {
		t.Errorf("limit %d, want 20", got)
	}

	second := sql.OpenDB(c)
	second.SetMaxOpenConns(7)
	if got := c.SessionLimit(); got != 20 {
		t.Errorf("limit %d of one that nobody named, want 20", got)
	}
	if got, err := connector.FromDB(second); got != c || err == nil {
		t.Errorf("got %v, %v", got, err)
	}
	if got := c.SessionLimit(); got != 7 {
		t.Errorf("limit %d, want 7", got)
	}
	second.SetMaxOpenConns(0)
	opened.SetMaxOpenConns(0)
	if got := c.SessionLimit(); got != 0 {
		t.Errorf("limit %d, want none", got)
	}
	second.Close()
}

func TestAForgottenDatabaseIsNotKeptForItsLimit(t *testing.T) {
	c := connector.NewConnector(connector.Config{DSN: "postgres://app@localhost/shop"})
	freed := make(chan struct{})
	func() {
		db := sql.OpenDB(c)
		db.SetMaxOpenConns(3)
		if _, err := connector.FromDB(db); err == nil {
			t.Error("a limit is no error")
		}
		if got := c.SessionLimit(); got != 3 {
			t.Errorf("limit %d, want 3", got)
		}
		runtime.AddCleanup(db, func(freed chan struct{}) { close(freed) }, freed)
		db.Close() // ends its goroutine, which knows it
	}()
	for waiting := true; waiting; {
		runtime.GC()
		select {
		case <-freed:
			waiting = false
		default:
			runtime.Gosched()
		}
	}
	if got := c.SessionLimit(); got != 0 {
		t.Errorf("limit %d of a database that is gone", got)
	}
}

func TestLimitsAreAskedForAndSetAtTheSameTime(t *testing.T) {
	c := connector.NewConnector(connector.Config{DSN: "postgres://app@localhost/shop"})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			db := sql.OpenDB(c)
			defer db.Close()
			for n := range 100 {
				db.SetMaxOpenConns(n)
				if found, _ := connector.FromDB(db); found != c {
					t.Error("another connector was found")
				}
				c.SessionLimit()
			}
		})
	}
	all.Wait()
}
