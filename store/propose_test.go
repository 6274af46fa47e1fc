package store

import (
	"testing"

	"github.com/quorate/quorate/fsm"
)

func TestBlockingRequestsInTheOrderOfSessions(t *testing.T) {
	var q queue
	q.init(1<<20, func() bool { return false })
	for _, client := range []int64{9, 0, 3, 0, 5, 3} { // 0: doesn't block
		r := &request{unit: &fsm.Unit{}, bytes: 1}
		if client > 0 {
			r.unit.Waiter = &fsm.Waiter{Client: client}
		}
		if err := q.push(r); err != nil {
			t.Fatal(err)
		}
	}
	got := q.cut(6)
	var order []int64
	for _, r := range got {
		if r.unit.Waiter == nil {
			order = append(order, 0)
		} else {
			order = append(order, r.unit.Waiter.Client)
		}
	}
	want := []int64{3, 0, 3, 0, 5, 9}
	for i := range want {
		if len(order) != len(want) || order[i] != want[i] {
			t.Fatalf("order %v, want %v", order, want)
		}
	}
}
