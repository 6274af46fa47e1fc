// Package keyspace holds the values of the store and the structures they are
// made of: Go values in, Go values out. It knows nothing of RESP, of Raft, of
// connections or of the clock; "now" is an argument wherever it matters.
//
// Everything here belongs to the apply goroutine of one group. Readers may run
// beside each other, never beside a writer.
package keyspace
