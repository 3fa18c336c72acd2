// Command embedded makes PostgreSQL's programs available on a machine that has
// none, and prints the folder of initdb and postgres as its last line.
//
// Package testdb runs it. It is a module of its own, as its dependencies must
// not become those of everybody who uses the library.
//
// The programs are downloaded by github.com/fergusstrange/embedded-postgres and
// kept in the user's cache folder, or in that of POOLSQL_TEST_CACHE. Several
// processes may do this at once.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

func main() {
	version := flag.String("version", "", "version of PostgreSQL, such as 17.5.0; empty: the newest one known here")
	repository := flag.String("repository", "", "URL of a Maven repository; empty: Maven Central")
	uid := flag.Int("uid", -1, "user that will run the server, when we are root")
	gid := flag.Int("gid", -1, "group of that user")
	flag.Parse()

	if *version == "" {
		*version = string(embeddedpostgres.V18)
	}
	programs, err := run(*version, *repository, *uid, *gid)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(programs)
}

func run(version, repository string, uid, gid int) (string, error) {
	cache, err := cacheFolder(uid)
	if err != nil {
		return "", err
	}
	if uid >= 0 {
		if err := become(cache, uid, gid); err != nil {
			return "", err
		}
	}
	s := store{dir: cache, version: version, repository: repository}
	if programs, ok := s.find(); ok {
		return programs, nil
	}
	work, err := s.workFolder()
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	removeOnSignal(work)
	if err := s.fetch(work); err != nil {
		return "", err
	}
	return s.keep(work)
}

// removeOnSignal ends the program without leaving half a download. A server on
// trial, if there is one at that moment, notices that its data are gone.
func removeOnSignal(work string) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		os.RemoveAll(work)
		os.Exit(1)
	}()
}
