// Package lua runs the scripts and functions of Redis 7.0 inside the state
// machine: every replica runs them from the log and must come to the same
// result, so a run depends on nothing but the script, its arguments and what
// the commands answer, and it ends.
//
// The interpreter is gopher-lua. Beside the libraries (package lualib) three
// things are this package's own: before every instruction a meter looks at what
// is about to be executed, charges a budget, and refuses what may not be done
// (meter.go); tables that belong to the server are read-only; and the base
// functions that show addresses, read files or depend on the process are
// replaced or missing.
package lua
