package pooldriver_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql"
)

// withReplica gives the pool a route for reads that leads to another clockwork.
func withReplica(replica *clockwork) func(*poolsql.Config) {
	return func(cfg *poolsql.Config) {
		cfg.Routes = []poolsql.Route{{Name: "east", Config: poolsql.Config{Connector: replica}}}
		cfg.MaxReplicaLag = time.Minute
	}
}

// Whoever must see a write may not get what a replica said that need not have it, though somebody else may.
func TestAReadThatMustSeeAWriteSharesWithNoneThatNeedNot(t *testing.T) {
	replica := &clockwork{}
	share(t, func(s *sharing) {
		ctx := poolsql.WithReadOnly(s.ctx)
		var b poolsql.Bookmark
		s.expect(s.ask(poolsql.WithBookmark(ctx, &b), read), 1, time.Second) // of the replica
		s.executions(0)
		if _, err := s.db.ExecContext(poolsql.WithBookmark(s.Context(), &b), "insert into item values (1)"); err != nil {
			s.Fatal(err)
		}
		free := s.ask(ctx, read)
		bound := s.ask(poolsql.WithBookmark(ctx, &b), read)
		s.expect(free, 2, time.Second)  // of the replica
		s.expect(bound, 1, time.Second) // of the primary
		s.executions(1)
		if begun, _, _ := replica.counts(); begun != 2 {
			s.Errorf("the replica was asked %d times, want 2", begun)
		}
	}, withReplica(replica))
}

// A write that comes while a read queues is in what those get who ask afterwards.
func TestAReadThatComesAfterAWriteDoesNotJoinOneThatWasRoutedBefore(t *testing.T) {
	replica := &clockwork{}
	share(t, func(s *sharing) {
		ctx := poolsql.WithReadOnly(s.ctx)
		var holders []<-chan answer
		for i := range 4 { // all of the replica's connections
			holders = append(holders, s.ask(ctx, read, i))
		}
		synctest.Wait()
		var b poolsql.Bookmark
		early := s.ask(poolsql.WithBookmark(ctx, &b), read) // queues at the replica
		synctest.Wait()
		if _, err := s.db.ExecContext(poolsql.WithBookmark(s.Context(), &b), "insert into item values (1)"); err != nil {
			s.Fatal(err)
		}
		late := s.ask(poolsql.WithBookmark(ctx, &b), read)
		s.expect(late, 1, time.Second) // of the primary
		s.expect(early, 5, 2*time.Second)
		for _, h := range holders {
			if a := <-h; a.err != nil {
				s.Error(a.err)
			}
		}
	}, withReplica(replica))
}

// What an owner holds of a replica it holds of the pool: who waits while he holds something runs by himself.
func TestAnOwnerWhoHoldsSomethingOfARouteDoesNotShare(t *testing.T) {
	share(t, func(s *sharing) {
		owned := poolsql.WithOwner(s.ctx)
		tx, err := s.db.BeginTx(poolsql.WithRoute(owned, "east"), nil)
		if err != nil {
			s.Fatal(err)
		}
		if a := <-s.ask(owned, read); a.err != nil {
			s.Error(a.err)
		}
		if stats := s.c.Stats(); stats.UncoalescedCount != 1 || stats.ExecutionCount != 0 {
			s.Errorf("%d ran by themselves, %d executions; want 1 and 0", stats.UncoalescedCount, stats.ExecutionCount)
		}
		_ = tx.Rollback()
		if served := s.c.Routes()[0].Served; served != 1 {
			s.Errorf("the route served %d, want the transaction alone", served)
		}
	}, withReplica(&clockwork{}))
}

// A connection that served elsewhere is no reason to share elsewhere: what is shared is the pool's, and not that of its routes.
func TestASessionThatWasBoundToARouteSharesWithTheOthers(t *testing.T) {
	replica := &clockwork{}
	share(t, func(s *sharing) {
		ctx := poolsql.WithReadOnly(s.ctx)
		conn, err := s.db.Conn(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		alone := poolsql.WithReadOnly(s.Context())
		if err := conn.QueryRowContext(alone, read).Scan(new(int)); err != nil {
			s.Fatal(err)
		}
		_ = conn.Close() // its session is the next caller's
		one := s.ask(ctx, read)
		synctest.Wait()
		two, three := s.ask(ctx, read), s.ask(ctx, read)
		s.expect(one, 2, time.Second)
		s.expect(two, 3, 2*time.Second)
		s.expect(three, 3, 2*time.Second)
		if begun, _, _ := replica.counts(); begun != 3 {
			s.Errorf("the replica was asked %d times, want 3", begun)
		}
	}, withReplica(replica))
}
