package toxicproxy

import "github.com/Shopify/toxiproxy/v2/toxics"

// A Standstill lets nothing through, and loses nothing: when it is taken away, everything arrives that was under way,
// however late, and the end of those connections that have ended meanwhile. So do networks that drop packets for a while,
// as TCP sends them again.
type Standstill struct{}

// Pipe implements toxics.Toxic.
func (*Standstill) Pipe(stub *toxics.ToxicStub) { <-stub.Interrupt }
