// Package fsm is the deterministic machine of a group: a function from state
// and log entry to state, replies and effects. It sees no clock, no chance, no
// network, no file and no goroutine; time and a seed come in the entry.
//
// A command is one handler beside one table entry in the file of its family
// (cmd_*.go). The rest is machinery: entry.go is the format of log entries,
// apply.go runs them, call.go is what handlers work with, watch.go decides
// WATCH, snapshot.go saves, restore.go restores, digest.go compares.
package fsm
