// Package integration has no code of its own. Its tests run a bank's ledger through poolsql while networks and servers fail
// for real, and check afterwards that the books agree with what the callers were told.
//
// Each test is one fault: the network delays, resets, slices, chokes or swallows what passes, or stands still; sessions are
// terminated in storms; a server process is killed; the server restarts, is full, finds its disk full, or is replaced by its
// standby. The network's faults are toxiproxy's toxics, in links of our own; see the package toxicproxy for why.
//
// What holds under every fault:
//
//   - a transfer that was acknowledged is in the books, once; one of which the caller was told that it was not done is not;
//     only of those whose outcome was told as unknown may either be true;
//   - the sum of all balances is what it was, and each balance is what the transfers make it;
//   - there were never more connections than MaxConns, by the pool's own count and by the server's;
//   - the statement of a caller who neither gave up nor had a limit was not canceled;
//   - work goes on soon after the fault is over;
//   - after Close no goroutine is left, and no session on the server.
//
// Environment variables: POOLSQL_FAULT is how long each fault lasts, such as 30s; POOLSQL_SEED is the seed of what is done
// at random, printed by each test.
package integration
