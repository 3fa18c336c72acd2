package testdb

import "context"

// StartReplicated is Replicated for a program, which calls Close at its end.
func StartReplicated(ctx context.Context, settings ...string) (*Pair, error) {
	p, _, err := startPair(ctx, settings)
	return p, err
}

// Close ends both servers.
func (p *Pair) Close() error { return p.close() }

// StartPgBouncer is PgBouncer for a program, which calls Close at its end.
func StartPgBouncer(ctx context.Context, s *Server, mode string, settings ...string) (*Pooler, error) {
	return startPooler(ctx, s, mode, settings)
}

// Close ends it.
func (p *Pooler) Close() error { return p.close() }
