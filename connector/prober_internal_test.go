package connector

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"
	"testing"
	"time"
)

type nowhere struct{}

func (nowhere) Connect(context.Context) (driver.Conn, error) { return nil, errors.New("nowhere") }
func (nowhere) Driver() driver.Driver                        { return nil }

// A prober that begins when the last one ends shares its connections with it. The race detector tells.
func TestAProberBeginsWhenTheOneBeforeHasHungUp(t *testing.T) {
	c := NewConnector(Config{
		Connector: nowhere{}, Routes: []Route{{Name: "reads", Config: Config{Connector: nowhere{}}}}, ReplicaCheckInterval: time.Microsecond,
	})
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	p := &c.routes.prober
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 300 {
				p.use(t.Context())
				p.used.Store(-int64(time.Hour)) // nobody reads any more
			}
		})
	}
	wg.Wait()
	c.Close()
	<-c.Done()
}
