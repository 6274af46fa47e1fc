package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/quorate/quorate/slots/hashslot"
	"github.com/quorate/quorate/test/harness"
	"github.com/quorate/quorate/test/wire"
)

// ledBy returns a key whose slot the node serves, as soon as it serves one.
func ledBy(t *testing.T, c *harness.Cluster, node int) (key string) {
	t.Helper()
	eventually(t, "the node leads a group", func() error {
		runs, err := leaders(c.Addr(node))
		if err != nil {
			return err
		}
		for i := range 10000 {
			key = fmt.Sprint("key", i)
			slot := int(hashslot.Of([]byte(key)))
			for run, addr := range runs {
				if run[0] <= slot && slot <= run[1] && addr == c.Addr(node) {
					return nil
				}
			}
		}
		return fmt.Errorf("node %d serves no slot", node)
	})
	return key
}

// TestTrackingEndsWithLeadership: a client whose node loses a group is told that
// all it has cached may have changed: nobody tells it of changes any more.
func TestTrackingEndsWithLeadership(t *testing.T) {
	c := startNodes(t)
	homes(t, c) // leadership has come to where it stays
	key := ledBy(t, c, 0)
	conn, err := wire.Dial(context.Background(), c.Addr(0), patience)
	must(t, err)
	defer conn.Close()
	for _, line := range [][]string{{"HELLO", "3"}, {"CLIENT", "TRACKING", "ON"}, {"SET", key, "v"}, {"GET", key}} {
		say(t, conn, line...)
	}
	must(t, c.Kill(1))
	must(t, c.Kill(2))
	r, err := conn.Receive()
	if want := ">2\r\n$10\r\ninvalidate\r\n_\r\n"; err != nil || string(r.Raw) != want {
		t.Errorf("%q %v, want %q", r.Raw, err, want)
	}
	eventually(t, "nothing is served", func() error {
		if r, err := ask(c.Addr(0), "GET", key); err == nil || !strings.HasPrefix(string(r.Str), "CLUSTERDOWN") {
			return fmt.Errorf("GET without a quorum: %s %v", r.Raw, err)
		}
		return nil
	})
}
