package toxicproxy

import "github.com/Shopify/toxiproxy/v2/toxics"

// A BlackHole swallows everything, the end of the connection included, as a network does whose packets are dropped on the
// way: each side goes on believing in the other. Toxiproxy's own toxic of the kind, "timeout", lets the end through.
type BlackHole struct{}

// Pipe implements toxics.Toxic.
func (*BlackHole) Pipe(stub *toxics.ToxicStub) {
	in := stub.Input
	for {
		select {
		case <-stub.Interrupt:
			return
		case chunk := <-in:
			if chunk == nil {
				in = nil // closed; a closed channel would keep us busy
			}
		}
	}
}

// Cleanup implements toxics.CleanupToxic: a connection that has lost bytes is of no use to anybody.
func (*BlackHole) Cleanup(stub *toxics.ToxicStub) { stub.Close() }
