package clients

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// stage is a directory through which a test and a client script agree on what
// has happened. Empty files stand for events; the writer creates, the other
// side polls.
//
//	writing   by the client: the thousand keys are there, and 200 of the continuous writes
//	killed    by the test: a node is dead
//	resumed   by the client: after that, fifty writes in a row, spread over all
//	          slots, were acknowledged
//	stop      by the test: stop writing, verify, exit
type stage struct{ dir string }

func (s stage) path(event string) string { return filepath.Join(s.dir, event) }

func (s stage) announce(event string) error { return os.WriteFile(s.path(event), nil, 0o644) }

// await polls for an event; it gives up when over is closed or the time is up.
func (s stage) await(event string, limit time.Duration, over <-chan struct{}) error {
	deadline := time.After(limit)
	for {
		if _, err := os.Stat(s.path(event)); err == nil {
			return nil
		}
		select {
		case <-over:
			return fmt.Errorf("the client ended before it was %s", event)
		case <-deadline:
			return fmt.Errorf("the client was not %s after %v", event, limit)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
