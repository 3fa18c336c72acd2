// Package adaptive finds out how many calls a server is to be given at once.
//
// A [Controller] is told of each call that came back, and of what went wrong. It cuts time into windows, and compares them.
// Two things decide:
//
//   - What more brings. If there was half as much again at once, and half as much again got done, there is room for more; if
//     as much got done as before, the rest only waited inside the server. That is the elasticity: by how many percent
//     throughput grew for each percent more at once. It is measured, by trying another limit in turn with the one in
//     force, and needs no knowledge of what a call should take.
//   - How many queue inside the server. Of 12 calls that take 30 ms and took 10 ms when there were few, 4 are worked on and 8
//     wait. That needs to know what they take when there are few, which may be wrong; so it decides nothing by itself,
//     but moves the bar that the elasticity has to pass, and says what to try first.
//
// Throughput is not counted in calls but in what they would take by themselves, by label: else a change of the mix would look
// like a change of the server.
//
// Windows in which the limit kept nobody waiting say nothing of it and are passed over.
package adaptive
