// Package testdb gives tests and example programs a real PostgreSQL in one call.
//
// A test takes a fresh database, and says first that it wants to be checked:
//
//	func TestSomething(t *testing.T) {
//		testdb.NoLeaks(t)
//		db, err := sql.Open("pgx", testdb.New(t).DSN)
//		…
//		defer db.Close()
//
// All tests of a binary share one server, which the first of them starts in
// about a second. Private starts one for a test that restarts it or needs other
// settings. A program calls Start and, at its end, Close.
//
// Replicated starts two, a primary and a standby that streams from it, for a test
// of what a failover does:
//
//	p := testdb.Replicated(t, testdb.Synchronous)
//	db, err := sql.Open("pgx", p.DSN("target_session_attrs=read-write"))
//	…
//	err = p.Primary().Stop(ctx, testdb.Immediate)
//	err = p.Promote(ctx)
//
// A test can stop and restart its servers, and kill one of their processes
// (Server.KillBackend); Server.WaitReady waits for the end of the recovery.
// Server.Backends lists the sessions.
//
// # Where the server comes from
//
//  1. POOLSQL_TEST_DATABASE_URL names a server that runs. Databases are created
//     there and dropped again; the role needs the right to do so, and to see the
//     sessions of others. Nothing is started.
//  2. Installed programs: initdb and postgres on the PATH, where pg_config says,
//     or in the usual places of Debian, Red Hat, Alpine, Homebrew, Postgres.app
//     and the installer for Windows, the newest version first.
//     POOLSQL_TEST_POSTGRES names another folder.
//  3. Downloaded programs, by the module in the folder embedded, which is run
//     with the go command. POOLSQL_TEST_POSTGRES=embedded, or embedded:17.5.0 for
//     a version, takes them even where others are installed;
//     POOLSQL_TEST_BINARY_REPOSITORY is another Maven repository than Maven
//     Central, POOLSQL_TEST_CACHE another folder to keep them in.
//
// PostgreSQL 13 or later is needed.
//
// # The server
//
// It listens on a Unix socket and on 127.0.0.1, wants a random password, and
// trades all safety for speed: a crash of the machine loses its data, and one of
// PostgreSQL alone, such as Stop with Immediate and KillBackend make it, the
// commits of the last moments, unless "synchronous_commit = on" is among the
// settings, as it is for Replicated. As root, its programs run as the user
// postgres or else nobody.
//
// The role of the DSNs is a superuser, but for those of Replicated and of
// DB.OrdinaryDSN, which leave the connections that PostgreSQL reserves to testdb.
//
// Its processes and its folder are gone soon after whoever started it has ended,
// be it by a panic, os.Exit or kill -9: a shell script watches over them; see
// watchdog_unix.go. On systems without sh, Windows among them, only Close ends a
// server; there New gives each test a server of its own.
package testdb
