package slab

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
	"unsafe"
)

// TestClasses: each size has the smallest class that has room for it.
func TestClasses(t *testing.T) {
	for n := 1; n <= Max; n++ {
		c := classOf(n)
		if int(sizes[c]) != Round(n) || int(sizes[c]) < n || c > 0 && int(sizes[c-1]) >= n {
			t.Fatalf("%d bytes have class %d of %d bytes; Round says %d", n, c, sizes[c], Round(n))
		}
	}
	if sizes[classes-1] != Max {
		t.Errorf("the largest class has %d bytes", sizes[classes-1])
	}
}

// available skips a test where the system has no addresses to reserve.
func available(t *testing.T) {
	t.Helper()
	if all.bytes == 0 {
		t.Skip("no memory outside of the heap on this system")
	}
}

// piece is one that a test has, and what it wrote there.
type piece struct {
	p    unsafe.Pointer
	want []byte
}

func (x piece) bytes() []byte { return unsafe.Slice((*byte)(x.p), len(x.want)) }

// TestArena: pieces of several arenas, allocated and freed at random, keep what was
// written to them, and memory goes back.
func TestArena(t *testing.T) {
	available(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	before := Held()
	arenas := []*Arena{NewArena(), NewArena(), NewArena()}
	pieces := make([][]piece, len(arenas))
	used := make([]int64, len(arenas))
	check := func(i, j int) {
		x := pieces[i][j]
		if !bytes.Equal(x.bytes(), x.want) {
			t.Fatalf("a piece of %d bytes has changed", len(x.want))
		}
		if !Contains(x.p) || !Contains(unsafe.Add(x.p, len(x.want)-1)) {
			t.Fatal("a piece isn't where pieces are")
		}
	}
	for step := range 300000 {
		i := r.IntN(len(arenas))
		a := arenas[i]
		// It grows in one phase and shrinks in the next.
		if grows := step/30000%2 == 0; r.IntN(10) < 3 == grows && len(pieces[i]) > 0 {
			j := r.IntN(len(pieces[i]))
			check(i, j)
			x := pieces[i][j]
			used[i] -= int64(Round(len(x.want)))
			a.Free(x.p)
			last := len(pieces[i]) - 1
			pieces[i][j] = pieces[i][last]
			pieces[i] = pieces[i][:last]
			continue
		}
		n := 1 + r.IntN(Max)
		if r.IntN(2) == 0 {
			n = 1 + r.IntN(64)
		}
		x := piece{a.Alloc(n), make([]byte, n)}
		if x.p == nil || uintptr(x.p)%8 != 0 {
			t.Fatalf("%d bytes lie at %p", n, x.p)
		}
		for k := range x.want {
			x.want[k] = byte(r.Uint32())
		}
		copy(x.bytes(), x.want)
		// All of it is the caller's.
		for k := n; k < Round(n); k++ {
			*(*byte)(unsafe.Add(x.p, k)) = 0xff
		}
		used[i] += int64(Round(n))
		pieces[i] = append(pieces[i], x)
	}
	for i, a := range arenas {
		for j := range pieces[i] {
			check(i, j)
		}
		if a.Used() != used[i] {
			t.Errorf("arena %d says that %d bytes are used, it is %d", i, a.Used(), used[i])
		}
	}
	for _, x := range pieces[0] {
		arenas[0].Free(x.p)
	}
	if n := len(*arenas[0].slabs); arenas[0].Used() != 0 || n > classes {
		t.Errorf("with nothing in it the arena has %d slabs and says that %d bytes are used", n, arenas[0].Used())
	}
	arenas[0].Drop()
	arenas[1].Drop()
	if arenas[1].Used() != 0 || arenas[1].Alloc(10) == nil {
		t.Error("an arena can't be used after Drop")
	}
	arenas[1].Drop()
	runtime.KeepAlive(arenas)
	arenas = nil // the third is left to the collector
	for deadline := time.Now().Add(10 * time.Second); Held() > before; runtime.GC() {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes are held, %d before", Held(), before)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestAllocNothing: what isn't for an arena is refused.
func TestAllocNothing(t *testing.T) {
	a := NewArena()
	for _, n := range []int{-1, 0, Max + 1} {
		if a.Alloc(n) != nil {
			t.Errorf("%d bytes were allocated", n)
		}
	}
	on := new([16]byte)
	if Contains(unsafe.Pointer(on)) || Contains(nil) {
		t.Error("the heap passes for a slab")
	}
}

// TestNoMemory: where the system gives nothing, nothing is allocated.
func TestNoMemory(t *testing.T) {
	old := all
	defer func() { all = old }()
	for _, bytes := range []uintptr{0, 1 << 20, 1 << 62} {
		if all = reserve(bytes); all.bytes > 1<<40 {
			t.Skip("this system has that many addresses")
		} else if all.bytes == 0 && NewArena().Alloc(10) != nil {
			t.Error("something was allocated nowhere")
		}
	}
}

func BenchmarkAlloc(b *testing.B) {
	a := NewArena()
	var kept [1 << 12]unsafe.Pointer
	for i := 0; b.Loop(); i++ {
		p := &kept[i%len(kept)]
		if *p != nil {
			a.Free(*p)
		}
		*p = a.Alloc(16 + i%7*16)
	}
}
