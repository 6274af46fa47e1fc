package keyspace

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/quorate/quorate/fsm/listpack"
)

// check compares l with model in every direction and checks its invariants.
func (l *List) check(t *testing.T, model [][]byte) {
	t.Helper()
	if l.Len() != len(model) {
		t.Fatalf("Len = %d, want %d", l.Len(), len(model))
	}
	count, size := 0, 0
	for i := range l.Nodes() {
		data, plain := l.Node(i)
		size += len(data)
		n := 1
		if !plain {
			if err := listpack.Valid(data); err != nil {
				t.Fatal(err)
			}
			n = listpack.LP(data).Len()
		}
		if n == 0 || n != int(l.nodes.at(i).count) {
			t.Fatalf("node %d has %d elements and says %d", i, n, l.nodes.at(i).count)
		}
		count += n
	}
	if count != l.count || size != l.bytes {
		t.Fatalf("%d elements in %d bytes, the list says %d in %d", count, size, l.count, l.bytes)
	}
	for i := range l.nodes.head {
		if l.nodes.buf[i].data != nil {
			t.Fatalf("spare place %d of %d still holds a node", i, l.nodes.head)
		}
	}
	seen := 0
	l.Each(func(i int, v []byte) bool {
		if i != seen || !bytes.Equal(v, model[i]) {
			t.Fatalf("element %d is %.40q, want %.40q", i, v, model[i])
		}
		seen++
		return true
	})
	l.EachReverse(func(i int, v []byte) bool {
		seen--
		if i != seen || !bytes.Equal(v, model[i]) {
			t.Fatalf("element %d from the end is %.40q, want %.40q", i, v, model[i])
		}
		return true
	})
	if seen != 0 {
		t.Fatalf("the ways forth and back differ by %d", seen)
	}
}

// TestListAgainstModel drives lists and slices with the same operations.
func TestListAgainstModel(t *testing.T) {
	r := seeded(t)
	for _, fill := range []int{1, 2, 5, 100, 0, -1, -2, -5, math.MinInt, math.MaxInt} {
		lim := DefaultLimits()
		lim.ListMaxListpackSize = fill
		for _, size := range []int{1, 100, 3000, 9000} {
			l, model := new(List), [][]byte{}
			for step := range 250 {
				model = listStep(t, r, l, model, size, &lim)
				if step%4 == 0 {
					l.check(t, model)
				}
				if step%50 == 49 {
					l = reloaded(t, l)
				}
			}
			l.check(t, model)
		}
	}
}

// listStep does one random operation.
func listStep(t *testing.T, r *rand.Rand, l *List, model [][]byte, size int, lim *Limits) [][]byte {
	t.Helper()
	v := bytes.Repeat([]byte{'a' + byte(r.IntN(3))}, r.IntN(size+1))
	if r.IntN(3) == 0 {
		v = []byte(strconv.Itoa(r.IntN(4)))
	}
	given := bytes.Clone(v)
	defer clear(given) // the list holds copies
	pivot, index := []byte("none"), r.IntN(len(model)+3)-1
	if index >= 0 && index < len(model) {
		pivot = bytes.Clone(model[index])
	}
	at := slices.IndexFunc(model, func(m []byte) bool { return bytes.Equal(m, pivot) })
	var s listpack.Scratch
	switch op := r.IntN(20); op {
	case 0, 1, 2:
		l.PushLeft(given, lim)
		return slices.Insert(model, 0, v)
	case 3, 4, 5:
		l.PushRight(given, lim)
		return append(model, v)
	case 6, 7:
		pop, i := l.PopLeft, 0
		if op == 7 {
			pop, i = l.PopRight, len(model)-1
		}
		got, ok := pop([]byte("dst"))
		if ok != (len(model) > 0) || ok && string(got) != "dst"+string(model[i]) {
			t.Fatalf("pop: %.40q, %v", got, ok)
		}
		if ok {
			return slices.Delete(model, i, i+1)
		}
	case 8, 9, 10:
		if ok := l.Set(index, given, lim); ok != (at >= 0 || index == -1 && len(model) > 0) {
			t.Fatalf("Set(%d) of %d: %v", index, len(model), ok)
		}
		switch {
		case at >= 0:
			model[index] = v
		case index == -1 && len(model) > 0:
			model[len(model)-1] = v
		}
	case 11, 12:
		if l.InsertBefore(pivot, given, lim) != (at >= 0) {
			t.Fatal("InsertBefore")
		}
		if at >= 0 {
			return slices.Insert(model, at, v)
		}
	case 13, 14, 15:
		if l.InsertAfter(pivot, given, lim) != (at >= 0) {
			t.Fatal("InsertAfter")
		}
		if at >= 0 {
			return slices.Insert(model, at+1, v)
		}
	case 16:
		count := r.IntN(7) - 3
		if r.IntN(5) == 0 {
			count = []int{math.MinInt, math.MinInt + 1, math.MaxInt}[r.IntN(3)]
		}
		kept, n := removeFromModel(model, count, pivot)
		if got := l.Remove(count, pivot); got != n {
			t.Fatalf("Remove(%d) = %d, want %d", count, got, n)
		}
		return kept
	case 17:
		start, stop := r.IntN(4)-1, len(model)-r.IntN(3)
		switch r.IntN(20) {
		case 0:
			start, stop = 2, -3
		case 1:
			start, stop = math.MinInt, math.MaxInt
		case 2:
			start, stop = math.MaxInt, math.MinInt
		}
		var want [][]byte
		from, to := modelSpan(len(model), start, stop)
		if from <= to {
			want = slices.Clone(model[from : to+1])
		}
		l.Trim(start, stop)
		return want
	case 18:
		got, ok := l.Index(index-len(model), &s)
		if i := index; i >= 0 && i < len(model) {
			if !ok || !bytes.Equal(got, model[i]) {
				t.Fatalf("Index(%d) of %d = %.40q, %v", i-len(model), len(model), got, ok)
			}
		}
		got, ok = l.Index(index, &s)
		if ok != (at >= 0 || index == -1 && len(model) > 0) || at >= 0 && !bytes.Equal(got, model[index]) {
			t.Fatalf("Index(%d) of %d = %.40q, %v", index, len(model), got, ok)
		}
	case 19:
		start, stop := r.IntN(len(model)+4)-2, r.IntN(len(model)+4)-2
		from, to := modelSpan(len(model), start, stop)
		l.Range(start, stop, func(v []byte) bool {
			if from > to || !bytes.Equal(v, model[from]) {
				t.Fatalf("Range(%d, %d): %.40q at %d", start, stop, v, from)
			}
			from++
			return true
		})
		if from <= to {
			t.Fatalf("Range(%d, %d) of %d left out %d to %d", start, stop, len(model), from, to)
		}
	}
	return model
}

func modelSpan(n, start, stop int) (int, int) {
	if start < 0 {
		start += n
	}
	if stop < 0 {
		stop += n
	}
	return max(start, 0), min(stop, n-1)
}

func removeFromModel(model [][]byte, count int, value []byte) (kept [][]byte, removed int) {
	model = slices.Clone(model)
	if count < 0 {
		slices.Reverse(model)
	}
	for _, m := range model {
		limit := max(count, -count)
		if bytes.Equal(m, value) && (limit <= 0 || removed < limit) {
			removed++
			continue
		}
		kept = append(kept, m)
	}
	if count < 0 {
		slices.Reverse(kept)
	}
	return kept, removed
}

// reloaded returns a list made of copies of l's nodes, and checks that neither
// a clone nor the reloaded list shares memory with l.
func reloaded(t *testing.T, l *List) *List {
	t.Helper()
	clone, again := l.Clone(), new(List)
	for i := range l.Nodes() {
		data, plain := l.Node(i)
		if err := again.AppendNode(slices.Clone(data), plain); err != nil {
			t.Fatal(err)
		}
	}
	if again.MemUsage() != l.MemUsage() || clone.MemUsage() != l.MemUsage() {
		t.Fatalf("MemUsage: %d, clone %d, reloaded %d", l.MemUsage(), clone.MemUsage(), again.MemUsage())
	}
	for i := range l.Nodes() {
		data, _ := l.Node(i)
		clear(data)
	}
	var model [][]byte
	clone.Each(func(_ int, v []byte) bool { model = append(model, bytes.Clone(v)); return true })
	again.check(t, model)
	return again
}

func TestListAppendNodeRefuses(t *testing.T) {
	var l List
	if err := l.AppendNode([]byte("nonsense"), false); err == nil {
		t.Error("a node that is no listpack was accepted")
	}
	if err := l.AppendNode(listpack.New(), false); err != nil || l.Nodes() != 0 {
		t.Errorf("an empty listpack: %v, %d nodes", err, l.Nodes())
	}
}

// TestListAppendNodeLarge: nodes larger than any limit are taken apart.
func TestListAppendNodeLarge(t *testing.T) {
	var l List
	var model [][]byte
	lp := listpack.New()
	for i := range 40000 {
		v := strconv.AppendInt(nil, int64(i)*12345, 10)
		if i == 777 {
			v = bytes.Repeat([]byte("x"), 100000)
		}
		lp, model = lp.Append(v), append(model, v)
	}
	for range 2 {
		if err := l.AppendNode(lp.Clone(), false); err != nil {
			t.Fatal(err)
		}
	}
	l.check(t, append(model, model...))
	for i := range l.Nodes() {
		if data, plain := l.Node(i); len(data) > 65536 && !plain {
			t.Fatalf("node %d has %d bytes", i, len(data))
		}
	}
}

// TestListPlain: a large element stands alone, and a node that replacements
// have made too large is split.
func TestListPlain(t *testing.T) {
	lim := DefaultLimits()
	var l List
	for range 100 {
		l.PushRight([]byte("small"), &lim)
	}
	large := bytes.Repeat([]byte("x"), 8193)
	l.Set(50, large, &lim)
	if data, plain := l.Node(1); l.Nodes() != 3 || !plain || !bytes.Equal(data, large) {
		t.Fatalf("%d nodes, plain %v", l.Nodes(), plain)
	}
	l.Set(50, []byte("small"), &lim)
	if _, plain := l.Node(1); plain {
		t.Fatal("a small element in a plain node")
	}
	for i := range l.Len() {
		l.Set(i, large[:8000], &lim)
	}
	for i := range l.Nodes() {
		if data, _ := l.Node(i); len(data) > 8192 {
			t.Fatalf("node %d of %d bytes", i, len(data))
		}
	}
}

// TestListNodeBorders: the last size and count that still join a node.
func TestListNodeBorders(t *testing.T) {
	check := func(fill, first, second, want int) {
		t.Helper()
		lim := DefaultLimits()
		lim.ListMaxListpackSize = fill
		var l List
		l.PushRight(make([]byte, first), &lim)
		l.PushRight(make([]byte, second), &lim)
		if l.Nodes() != want {
			t.Errorf("list-max-listpack-size %d, elements of %d and %d bytes: %d nodes, want %d",
				fill, first, second, l.Nodes(), want)
		}
	}
	// An element of 1000 bytes makes a listpack of 1011.
	check(-1, 1000, 4096-8-1011, 1)
	check(-1, 1000, 4096-8-1011+1, 2)
	check(-2, 1000, 8192-8-1011, 1)
	check(-2, 1000, 8192-8-1011+1, 2)
	check(-5, 1000, 65536-8-1011, 1)
	check(-5, 1000, 65536-8-1011+1, 2)
	check(-6, 1000, 65536-8-1011, 1)
	check(2, 1000, 8192-8-1011, 1)
	check(2, 1000, 8192-8-1011+1, 2)
	check(1, 1, 1, 2)
	check(0, 1, 1, 2)

	lim := DefaultLimits()
	node := func(size int) *listNode { // of a listpack of size bytes
		return &listNode{data: listpack.New().Append(make([]byte, size-11)), count: 1}
	}
	if !node(4100).mergeable(node(4099), &lim) || node(4100).mergeable(node(4100), &lim) {
		t.Error("the border of merging is not at 8192 bytes")
	}
	lim.ListMaxListpackSize = 1
	if node(100).mergeable(node(100), &lim) {
		t.Error("merged two elements where one is allowed")
	}
}

// TestListInsertKeepsNodesFull: inserting in the middle of full nodes splits
// them, but doesn't leave a trail of small ones.
func TestListInsertKeepsNodesFull(t *testing.T) {
	r := seeded(t)
	lim := DefaultLimits()
	var l List
	for i := range 4000 {
		l.PushRight(strconv.AppendInt(nil, int64(i), 10), &lim)
	}
	v := bytes.Repeat([]byte("v"), 60)
	for range 2000 {
		l.InsertAfter(strconv.AppendInt(nil, int64(r.IntN(4000)), 10), v, &lim)
		if most := 2*l.bytes/8192 + 2; l.Nodes() > most {
			t.Fatalf("%d nodes for %d bytes, want at most %d", l.Nodes(), l.bytes, most)
		}
	}
}

// TestListRemoveFromManyNodes would take minutes if every node that runs empty
// moved all those behind it.
func TestListRemoveFromManyNodes(t *testing.T) {
	lim := DefaultLimits()
	lim.ListMaxListpackSize = 1
	for _, count := range []int{0, -1 << 40} {
		var l List
		const n = 300000
		for i := range n {
			l.PushRight([]byte{'a' + byte(i%2)}, &lim)
		}
		if got := l.Remove(count, []byte("b")); got != n/2 || l.Nodes() != n/2 || l.Len() != n/2 {
			t.Fatalf("Remove = %d, %d nodes left", got, l.Nodes())
		}
		if v, _ := l.Index(n/2-1, new(listpack.Scratch)); string(v) != "a" {
			t.Fatalf("the last element is %q", v)
		}
	}
}

// TestListValueFromItself hands elements of the list back to it.
func TestListValueFromItself(t *testing.T) {
	r := seeded(t)
	lim := DefaultLimits()
	lim.ListMaxListpackSize = -1
	var l List
	var model [][]byte
	var s listpack.Scratch
	for i := range 400 {
		v := bytes.Repeat([]byte{byte(i)}, r.IntN(300))
		l.PushRight(v, &lim)
		model = append(model, v)
	}
	for range 400 {
		i := r.IntN(len(model))
		v, _ := l.Index(r.IntN(len(model)), &s)
		want, pivot := bytes.Clone(v), model[i]
		at := slices.IndexFunc(model, func(m []byte) bool { return bytes.Equal(m, pivot) })
		switch r.IntN(3) {
		case 0:
			l.InsertBefore(pivot, v, &lim)
			model = slices.Insert(model, at, want)
		case 1:
			l.Set(i, v, &lim)
			model[i] = want
		case 2:
			_, n := removeFromModel(model, 0, want)
			if got := l.Remove(0, v); got != n {
				t.Fatalf("Remove = %d, want %d", got, n)
			}
			model, _ = removeFromModel(model, 0, want)
		}
		if len(model) < 2 {
			break
		}
		l.check(t, model)
	}
}

// TestListQueue runs a long queue in both directions over one-element nodes:
// the nodes' slice must not grow with the number of operations.
func TestListQueue(t *testing.T) {
	lim := DefaultLimits()
	lim.ListMaxListpackSize = 1
	for _, left := range []bool{true, false} {
		var l List
		buf := make([]byte, 0, 32)
		next, oldest := 0, 0
		for range 100000 {
			v := strconv.AppendInt(nil, int64(next), 10)
			next++
			if left {
				l.PushLeft(v, &lim)
			} else {
				l.PushRight(v, &lim)
			}
			if l.Len() <= 500 {
				continue
			}
			got, _ := l.PopRight(buf)
			if !left {
				l.PushRight(got, &lim)
				got, _ = l.PopLeft(buf)
			}
			if string(got) != strconv.Itoa(oldest) {
				t.Fatalf("left %v: got %s, want %d", left, got, oldest)
			}
			oldest++
		}
		if cap(l.nodes.buf) > 1500 {
			t.Errorf("left %v: %d places for %d nodes", left, cap(l.nodes.buf), l.Nodes())
		}
	}
}

func BenchmarkListPush(b *testing.B) {
	lim := DefaultLimits()
	v := []byte("a value of twenty-four b")
	for _, left := range []bool{false, true} {
		b.Run("left="+strconv.FormatBool(left), func(b *testing.B) {
			b.ReportAllocs()
			var l List
			for b.Loop() {
				if left {
					l.PushLeft(v, &lim)
				} else {
					l.PushRight(v, &lim)
				}
			}
		})
	}
}
