package store

import (
	"testing"
	"time"
)

// TestGatherer: for whom an entry is held back, and for whom not any more.
func TestGatherer(t *testing.T) {
	var e gatherer
	next := func(what string, waiting, want int) {
		t.Helper()
		if got := e.want(waiting); got != want {
			t.Errorf("%s: wants %d, not %d", what, got, want)
		}
	}
	next("a lone client", 1, 1)
	e.got(1, 0)
	next("its next command", 0, 1)
	e.got(16, 0)
	next("sixteen clients that were just answered", 0, 14)
	e.got(14, 0)
	next("half of them came while the others were answered", 7, 7+13)
	e.got(20, 7) // they came
	next("they come back", 0, 18)
	e.got(10, 0) // they didn't
	for range 8 {
		next("clients that come at their own pace", 0, 1)
		e.got(3, 0)
	}
	next("it looks again", 0, 3)

	// The same with processors that are short: half of those who are waited for is well.
	e = gatherer{last: 16, crowded: true}
	next("crowded", 0, 14)
	e.got(8, 0)
	next("most came", 0, 7)
	e.got(3, 0)
	next("few came", 0, 1)

	// Clients that mostly read.
	e = gatherer{last: 1, readers: 20}
	next("enough processors", 1, 2)
	e.crowded = true
	next("readers are waited for", 1, 22)
	e.took = time.Millisecond
	if p := e.patience(5 * time.Millisecond); p != 4*time.Millisecond {
		t.Errorf("patience with readers: %v", p)
	}
	e.got(2, 1)
	next("for as long as there is something to gain", 0, 22)
	e.readers = 5
	next("few readers for each write", 0, 2)

	e.look(100)
	e.look(130)
	if e.readers != 30 {
		t.Errorf("%d readers, not 30", e.readers)
	}
	e.crowded, e.took = false, 700*time.Microsecond
	if p := e.patience(5 * time.Millisecond); p != 1400*time.Microsecond {
		t.Errorf("patience %v", p)
	}
	if p := e.patience(time.Millisecond); p != time.Millisecond {
		t.Errorf("patience beyond the limit: %v", p)
	}
}

// TestCrowding: the average is that of the time since the last look.
func TestCrowding(t *testing.T) {
	var c crowding
	c.wait()
	done := make(chan struct{})
	for range 1000 {
		go func() { done <- struct{}{} }()
	}
	for range 1000 {
		<-done
	}
	if w := c.wait(); w <= 0 || w > 10 {
		t.Errorf("a goroutine waited %v s on average", w)
	}
	c.average, c.at = time.Second, time.Now()
	if !c.short() {
		t.Error("looked again at once")
	}
}
