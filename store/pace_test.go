package store

import (
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// TestPaceOverload: where processors are overloaded a snapshot waits, but not for ever.
func TestPaceOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var load time.Duration
		p := &pace{Writer: io.Discard, began: time.Now(), crowd: func() time.Duration { return load }}
		time.Sleep(3 * time.Second)
		if p.overloaded() {
			t.Error("it waits though processors are free")
		}
		load = time.Second
		p.yield()
		if waited := time.Since(p.began) - 3*time.Second; waited < time.Second || waited > 2*time.Second {
			t.Errorf("after 3 s of work it waited for %v", waited)
		}
		if p.overloaded() {
			t.Error("it waits again at once")
		}
	})
}
