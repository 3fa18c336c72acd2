// Command grpc shows a service of gRPC whose callers say how much a call matters: the class travels in the metadata, the deadline
// travels by itself, and what the pool refuses becomes a status that clients know how to take.
//
//	go run ./examples/grpc
//
// Two interceptors do it, and two more for streams: interceptor.go is what to copy. The service is in service.go; it has no .proto
// of its own, so that nothing has to be generated. The program starts a PostgreSQL, a server and some clients, shows what they see,
// and ends.
package main
