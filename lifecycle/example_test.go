package lifecycle_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"sync"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// shout serves until its listener is closed: each line comes back in capitals.
func shout(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			for lines := bufio.NewScanner(conn); lines.Scan(); {
				fmt.Fprintf(conn, "%s\n", bytes.ToUpper(lines.Bytes()))
			}
		}()
	}
}

// A pool of connections to a server that answers each line with one. Ten callers share two connections; a connection that
// does not answer is destroyed, and whoever comes next gets another.
func ExamplePool() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	go shout(ln)

	var dialer net.Dialer
	pool, err := lifecycle.NewPool(lifecycle.Config[net.Conn]{
		Name: "shouters",
		Max:  2,
		Create: func(ctx context.Context) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", ln.Addr().String())
		},
		Destroy: func(_ context.Context, conn net.Conn) error { return conn.Close() },

		AcquireTimeout: 5 * time.Second,
		IdleTimeout:    time.Minute,
	})
	if err != nil {
		log.Fatal(err)
	}

	ask := func(ctx context.Context, word string) (string, error) {
		h, err := pool.Acquire(ctx)
		if err != nil {
			return "", err
		}
		answer := make([]byte, len(word)+1)
		_, err = fmt.Fprintln(h.Value(), word)
		if err == nil {
			_, err = io.ReadFull(h.Value(), answer)
		}
		if err != nil {
			h.Destroy(lifecycle.EndBroken)
			return "", err
		}
		h.Release()
		return string(answer[:len(word)]), nil
	}

	var callers sync.WaitGroup
	for i := range 10 {
		callers.Go(func() {
			ctx := priority.WithLabel(context.Background(), fmt.Sprint("caller ", i))
			if answer, err := ask(ctx, "hello"); err != nil || answer != "HELLO" {
				log.Fatal(answer, err)
			}
		})
	}
	callers.Wait()

	s := pool.Stats()
	fmt.Println("lent", s.Acquired, "times; never more than two open:", s.Created <= 2)
	if err := pool.Drain(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Println("open:", pool.Stats().Total)
	// Output:
	// lent 10 times; never more than two open: true
	// open: 0
}

func newBuffers(observer lifecycle.Observer) *lifecycle.Pool[*bytes.Buffer] {
	pool, err := lifecycle.NewPool(lifecycle.Config[*bytes.Buffer]{
		Name:     "buffers",
		Max:      1,
		Create:   func(context.Context) (*bytes.Buffer, error) { return bytes.NewBuffer(make([]byte, 0, 64<<10)), nil },
		Destroy:  func(context.Context, *bytes.Buffer) error { return nil },
		Observer: observer,
	})
	if err != nil {
		log.Fatal(err)
	}
	return pool
}

// Drain names who still holds something when it runs out of time. What they hold is destroyed when it comes back.
func ExamplePool_Drain() {
	pool := newBuffers(nil)
	h, err := pool.Acquire(priority.WithLabel(context.Background(), "nightly report"))
	if err != nil {
		log.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	var late *lifecycle.DrainError
	if errors.As(pool.Drain(ctx), &late) {
		for _, s := range late.Stragglers {
			fmt.Println("still waiting for the", s.Label)
		}
	}
	_, err = pool.Acquire(context.Background())
	fmt.Println("new work is refused:", errors.Is(err, lifecycle.ErrClosed))

	h.Release()
	<-pool.Done()
	fmt.Println("open:", pool.Stats().Total)
	// Output:
	// still waiting for the nightly report
	// new work is refused: true
	// open: 0
}

// An observer sees what happens, here when a caller finds that what it was lent is of no use.
func ExampleObserver() {
	pool := newBuffers(lifecycle.ObserverFunc(func(e lifecycle.Event) {
		switch e.Kind {
		case lifecycle.KindAcquire, lifecycle.KindRelease:
			fmt.Println(e.Kind, e.Resource, e.Label)
		case lifecycle.KindInvalid:
			fmt.Println(e.Kind, e.Resource, e.Err)
		}
	}))
	defer pool.Close()

	req := &lifecycle.Request{Options: priority.Options{Label: "export"}}
	h, err := pool.AcquireFor(context.Background(), req)
	if err != nil {
		log.Fatal(err)
	}
	err = pool.Replace(context.Background(), &h, req, lifecycle.EndBroken, errors.New("it has a hole"))
	if err != nil {
		log.Fatal(err)
	}
	h.Release()
	// Output:
	// acquire 1 export
	// invalid 1 it has a hole
	// release 1 export
	// acquire 2 export
	// release 2 export
}
