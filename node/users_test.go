package node

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quorate/quorate/slots"
)

// TestUsersOfCluster has all nodes hear of every revision of the users, whoever
// made it, and a node that starts again of the last.
func TestUsersOfCluster(t *testing.T) {
	var mu sync.Mutex
	heard := make([]slots.Users, 3)
	c := startClusterWith(t, 3, func(i int, o *Options) {
		o.OnUsers = func(u slots.Users) {
			mu.Lock()
			defer mu.Unlock()
			heard[i] = u
		}
	})
	c.wait("the cluster serves", c.serves)
	set := func(by int, revision uint64, name string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return c.nodes[by].SetUsers(ctx, slots.Users{Revision: revision, All: []slots.User{{Name: []byte(name)}}})
	}
	all := func(revision uint64, name string) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			for _, u := range heard {
				if u.Revision != revision || string(u.All[0].Name) != name {
					return false
				}
			}
			return true
		}
	}
	for i, name := range []string{"a", "b", "c"} {
		c.wait("a change is made", func() bool {
			err := set(i, uint64(i)+1, name)
			if err == nil && !all(uint64(i)+1, name)() {
				t.Errorf("revision %d is made, and a node doesn't have it", i+1)
			}
			// A try whose answer was lost may have been made.
			return err == nil || strings.Contains(err.Error(), slots.ErrUsersChanged.Error()) && c.nodes[i].Map().Users.Revision > uint64(i)
		})
		c.wait("all nodes know "+name, all(uint64(i)+1, name))
	}
	c.wait("an old revision is refused", func() bool { // there may be no leader for a moment
		err := set(0, 3, "d")
		if err == nil {
			t.Fatal("an old revision is taken")
		}
		return strings.Contains(err.Error(), slots.ErrUsersChanged.Error())
	})
	c.stop(1)
	mu.Lock()
	heard[1] = slots.Users{}
	mu.Unlock()
	c.start(1)
	c.wait("a node that starts again knows", all(3, "c"))
}
