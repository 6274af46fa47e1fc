package store

import "time"

// gatherer decides how long an entry is worth holding back. The clients of the
// last entry have just been answered and will be back in a moment; those that
// wait already came while it was on its way. Without holding, the two halves
// take turns for ever, in entries half as large and twice as many.
//
// Where processors are short, an entry also waits for clients that were reading: each may
// write next, and an entry for every one of a few writes among many reads would take the
// processors from the reads.
type gatherer struct {
	last    int           // units of the last entry
	took    time.Duration // from its proposal to its answers
	wanted  int           // units for which the last wait would have ended
	asked   int           // of those, how many weren't there at its beginning
	rest    int           // entries to go without a wait, because waiting brought nothing
	reads   int64         // counted so far
	readers int           // reads while the last entry was made
	crowded bool          // processors are short
}

// look is called before an entry, with the number of reads since the start.
func (e *gatherer) look(reads int64) {
	e.readers, e.reads = int(reads-e.reads), reads
	e.crowded = processors.short()
}

// patience returns how long to hold an entry back at the most: in proportion to
// what the last one took, since where entries are slow, clients are too: both
// wait for the same CPUs. The factors are measured.
func (e *gatherer) patience(limit time.Duration) time.Duration {
	if e.mostlyReads() {
		return min(limit, 4*e.took)
	}
	return min(limit, 2*e.took)
}

// want returns how many units to wait for when waiting ones are there. A lone
// client is never waited for.
func (e *gatherer) want(waiting int) int {
	e.asked, e.wanted = 0, 1
	switch {
	case e.rest > 0:
		e.rest--
	case e.mostlyReads():
		e.wanted = waiting + e.last + e.readers
	case waiting+e.last >= 2:
		// Nearly all: the slowest of many clients isn't worth everybody's time.
		e.asked = max(e.last-e.last/8, 1)
		e.wanted = waiting + e.asked
	}
	return e.wanted
}

// mostlyReads reports whether clients that read are waited for.
func (e *gatherer) mostlyReads() bool { return e.crowded && e.readers > readsPerWrite*e.last }

// readsPerWrite is from how many reads for each write on they are.
const readsPerWrite = 4

// got notes how many units came, of which waiting were there before the wait. Clients
// that come at their own pace aren't back at once; to wait for them is for nothing, unless
// it is the processors' fault.
func (e *gatherer) got(n, waiting int) {
	if e.asked > 0 && n < e.wanted && (!e.crowded || 2*(n-waiting) < e.asked) {
		e.rest = 8
	}
	e.last = n
}
