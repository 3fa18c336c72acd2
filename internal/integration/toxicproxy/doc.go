// Package toxicproxy is a TCP proxy that spoils what passes through it, with toxiproxy's toxics.
//
// The toxics are those of github.com/Shopify/toxiproxy; the links between two sockets are our own. Toxiproxy's links lose
// goroutines when a client closes while data is on its way to it, can block for good when a toxic is taken off just then,
// reset only those connections that begin after the toxic was set, and let the end of a connection through when nothing
// else passes. Clients of a pool that is put under faults do all of that all the time, and a test that counts goroutines
// and sessions cannot live with it.
package toxicproxy
