// Package fault names the places where a test can end the process or have an
// operation fail. In a build without the tag "faults" they do nothing.
//
// With it, QUORATE_FAULT=ACTION:POINT:N acts when POINT is reached for the Nth
// time: "kill" ends the process as kill -9 does, "error" has the operation there
// fail as a broken disk does, and goes on failing. QUORATE_FAULT_SEGMENT is the
// size of the log's segments.
package fault

// Points are all of them. Each stands between two steps that a crash must not
// be able to separate to any harm.
var Points = []string{
	"log: before a batch is written",
	"log: after a batch is written",
	"log: before a segment gets its name",
	"log: after a segment got its name",
	"log: before a segment is given up",
	"log: after a segment is given up",
	"log: before a spare gets its salt",
	"log: before a torn end is wiped",
	"snapshot: before it is in place",
	"snapshot: after it is in place",
	"vote: before it is written",
	"vote: after it is written",
}

// Errors are the operations that can be made to fail.
var Errors = []string{
	"log: write",
	"log: sync",
}
