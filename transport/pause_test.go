package transport

import (
	"testing"
	"time"
)

func TestPause(t *testing.T) {
	var p pause
	if left, _ := p.left(true); left > 0 {
		t.Error("a pause without CLIENT PAUSE")
	}
	p.begin(time.Now().Add(time.Hour), false)
	if left, _ := p.left(false); left > 0 {
		t.Error("WRITE pauses reads")
	}
	left, ended := p.left(true)
	if left < 59*time.Minute {
		t.Errorf("writes wait for %v", left)
	}
	p.begin(time.Now().Add(time.Minute), true)
	<-ended // who waits looks again
	if left, _ := p.left(false); left < 59*time.Minute {
		t.Errorf("a shorter pause cut the longer one: %v", left)
	}
	p.begin(time.Now().Add(time.Minute), false)
	left, ended = p.left(false)
	if left < 59*time.Minute {
		t.Error("WRITE weakened ALL")
	}
	p.end()
	<-ended
	if left, _ := p.left(true); left > 0 {
		t.Error("the pause goes on after UNPAUSE")
	}
}

// TestPausedSession has one session wait and another end its pause.
func TestPausedSession(t *testing.T) {
	srv, _, addr := plainServer(t)
	if got := query(t, addr, "client pause 100000 write"); got != "OK" {
		t.Fatal(got)
	}
	done := make(chan any, 1)
	// Owned by the test. Ends when the pause does.
	go func() { done <- query(t, addr, "set k v") }()
	for deadline := time.Now().Add(10 * time.Second); srv.Stats().Paused != 1; {
		if time.Now().After(deadline) {
			t.Fatal("nobody waits")
		}
		query(t, addr, "get k") // reads go on
	}
	query(t, addr, "client unpause")
	if got := <-done; got != "OK" {
		t.Error(got)
	}
}
