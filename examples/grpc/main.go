package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/connector/poolhttp"
	"github.com/poolsql/poolsql/internal/testdb"
)

func main() {
	dsn := flag.String("dsn", "", "an existing database instead of an embedded one; nothing is written to it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *dsn, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "grpc:", err)
		os.Exit(1)
	}
}

// Few connections, so that calls have to wait, and room for as many as there are reports, so that others need theirs.
const (
	conns   = 2
	waiting = reports - conns
	reports = 20
)

func run(ctx context.Context, dsn string, stdout io.Writer) (err error) {
	if dsn == "" {
		server, err := testdb.Start(ctx)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, server.Close()) }()
		if dsn, err = server.CreateDatabase(ctx); err != nil {
			return err
		}
	}
	db, err := poolsql.Open(poolsql.Config{DSN: dsn, Name: "clock", MaxConns: conns, MaxWaiting: waiting, Observer: poolhttp.Timings()})
	if err != nil {
		return err
	}
	defer db.Close()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	// Whoever reaches this address is this program. A service would look at the certificate of its caller.
	everyone := func(context.Context) bool { return true }
	server := grpc.NewServer(
		grpc.UnaryInterceptor(receiveClass(everyone)), grpc.StreamInterceptor(receiveClassOfStream(everyone)))
	server.RegisterService(&clockDesc, &clock{db})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	defer func() {
		server.GracefulStop() // the calls under way end first, and then db is closed
		err = errors.Join(err, <-served)
	}()

	client, err := grpc.NewClient(listener.Addr().String(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(sendClass), grpc.WithStreamInterceptor(sendClassOfStream))
	if err != nil {
		return err
	}
	defer client.Close()
	return show(ctx, client, stdout)
}

// A caller is somebody who asks, and what came of it.
type caller struct {
	name     string
	class    poolsql.Class
	pause    time.Duration // that the database takes
	deadline time.Duration

	took   time.Duration
	timing string
	err    error
}

func (c *caller) call(ctx context.Context, client *grpc.ClientConn) {
	ctx, cancel := context.WithTimeout(poolsql.WithPriority(ctx, c.class), c.deadline)
	defer cancel()
	var trailer metadata.MD
	began := time.Now()
	c.err = client.Invoke(ctx, tellMethod, durationpb.New(c.pause), new(wrapperspb.StringValue), grpc.Trailer(&trailer))
	c.took = time.Since(began)
	c.timing = only(trailer.Get(timingKey))
}

// show has reports come until no more may wait. Then come a high caller and one in a hurry, for whom two reports have to leave, and who
// are served next; and then three for whom nobody leaves.
func show(ctx context.Context, client *grpc.ClientConn, stdout io.Writer) error {
	var callers []*caller
	for range reports {
		callers = append(callers, &caller{name: "report", class: poolsql.Low, pause: 400 * time.Millisecond, deadline: 10 * time.Second})
	}
	callers = append(callers, &caller{name: "checkout", class: poolsql.High, pause: 10 * time.Millisecond, deadline: 10 * time.Second})
	callers = append(callers, &caller{name: "in a hurry", class: poolsql.Normal, pause: 5 * time.Second, deadline: 600 * time.Millisecond})
	for range 3 {
		callers = append(callers, &caller{name: "one too many", class: poolsql.Low, pause: 0, deadline: 10 * time.Second})
	}
	var here sync.WaitGroup
	for _, c := range callers {
		here.Go(func() { c.call(ctx, client) })
		time.Sleep(5 * time.Millisecond) // one after the other, so that the order is the same each time
	}
	here.Wait()
	fmt.Fprintf(stdout, "%d connections, %d callers\n\n%-14s%-8s%9s  %-18s%s\n", conns, len(callers), "caller", "class", "took", "status", "the server says")
	for _, c := range callers {
		fmt.Fprintf(stdout, "%-14s%-8s%6d ms  %-18s%s\n", c.name, c.class, c.took.Milliseconds(), status.Code(c.err), c.timing)
	}
	return ctx.Err()
}
