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

// TestPausedCommands: what may write waits, whatever it is called.
func TestPausedCommands(t *testing.T) {
	srv, _, addr := plainServer(t)
	query(t, addr, "client pause 100000 write")
	commands := []string{"set k v", "pfcount k", "publish x y", "spublish x y", "eval 'return1' 0", "evalsha x 0", "fcall f 0"}
	for i, line := range commands {
		dial(t, addr).send(line)
		eventually(t, line+" waits", func() bool { return srv.Stats().Paused == int64(i+1) })
	}
	for _, line := range []string{"get k", "evalsha_ro x 0", "fcall_ro f 0", "ping"} {
		query(t, addr, line)
	}
	if n := srv.Stats().Paused; n != int64(len(commands)) {
		t.Errorf("%d sessions wait, want %d", n, len(commands))
	}
	query(t, addr, "client unpause")
	eventually(t, "the pause has ended", func() bool { return srv.Stats().Paused == 0 })
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
