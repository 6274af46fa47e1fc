package keyspace

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/quorate/quorate/fsm/listpack"
	"github.com/quorate/quorate/slab"
)

// pieces returns the pieces that a database's keys and values are in, and their bytes.
func pieces(t *testing.T, d *DB) (in map[unsafe.Pointer]bool, size int64) {
	t.Helper()
	in = map[unsafe.Pointer]bool{}
	add := func(p unsafe.Pointer, n int) {
		if p == nil || !slab.Contains(p) {
			if n > 0 && n <= slab.Max && slab.Contains(d.mem.Alloc(1)) {
				t.Fatalf("%d bytes lie on the heap", n)
			}
			return
		}
		if in[p] {
			t.Fatal("a piece is used twice")
		}
		in[p] = true
		size += int64(slab.Round(n))
	}
	for slot := range d.slots {
		for i := range d.slots[slot].items {
			e := &d.slots[slot].items[i]
			add(unsafe.Pointer(e.Name.p), int(e.Name.n))
			if e.isBytes() {
				add(e.Value.p, int(e.cap))
			}
		}
	}
	return in, size
}

// TestStringsInSlabs: whatever is done with strings, they are what a model says, no two share
// memory, none that is short is on the heap after Settle, and what isn't used any more is
// free again, but for what a snapshot may look at.
func TestStringsInSlabs(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	lim := DefaultLimits()
	ks := New(3, lim)
	models := [3]map[string]string{{}, {}, {}}
	text := func() []byte {
		switch r.IntN(8) {
		case 0:
			return fmt.Append(nil, r.Int32())
		case 1:
			return make([]byte, r.IntN(2*slab.Max))
		}
		return []byte(strings.Repeat(string(rune('a'+r.IntN(26))), r.IntN(300)))
	}
	var unhook func()
	check := func() {
		var used, live int64
		for db, model := range models {
			d := ks.dbs[db]
			if d.Len() != len(model) {
				t.Fatalf("database %d has %d keys, want %d", db, d.Len(), len(model))
			}
			for key, want := range model {
				e := d.Find(slotOfTest(key), []byte(key))
				if e == nil || e.Kind() == KindString && string(e.Str(make([]byte, 20))) != want {
					t.Fatalf("database %d: %q isn't %.60q", db, key, want)
				}
				if e.Kind() == KindHash {
					if got, ok := e.Hash().Get([]byte("f"), new(listpack.Scratch)); !ok || string(got) != want {
						t.Fatalf("database %d: the field of %q is %.60q, not %.60q", db, key, got, want)
					}
				}
			}
			_, n := pieces(t, d)
			live += n
			used += d.mem.Used()
		}
		if waiting := len(ks.freed); unhook == nil && (used != live || waiting > 0) && len(ks.flushed) == 0 {
			// pieces allocates one byte each to see whether it can.
			t.Fatalf("%d bytes are in use, of which %d are used, %d pieces wait", used, live, waiting)
		}
	}
	for step := range 30000 {
		for range 1 + r.IntN(5) {
			db := r.IntN(3)
			d, model := ks.dbs[db], models[db]
			key := fmt.Sprintf("k%d%s", r.IntN(150), strings.Repeat("-", r.IntN(2)*r.IntN(3)*1500))
			slot := slotOfTest(key)
			e := d.Find(slot, []byte(key))
			b := text()
			switch n := r.IntN(60); {
			case n == 0 && r.IntN(20) == 0:
				ks.Flush(db)
				models[db] = map[string]string{}
			case n == 1:
				other := r.IntN(3)
				ks.Swap(db, other)
				models[db], models[other] = models[other], models[db]
			case n < 15 && e == nil:
				ks.AddString(db, slot, []byte(key), b)
				model[key] = string(b)
			case n < 18 && e == nil:
				v := NewOwnedText(b)
				if len(b)%2 == 0 {
					v = NewString(b)
				}
				ks.AddCopy(db, slot, []byte(key), &v)
				model[key] = string(b)
				if _, number := v.Int(); !number {
					clear(b) // it was only borrowed
				}
			case n < 15:
				ks.Overwrite(db, slot, e, b)
				model[key] = string(b)
			case n < 20:
				ks.Set(db, slot, []byte(key), NewText(b), false)
				model[key] = string(b)
			case n < 23:
				h := &Hash{}
				h.Set([]byte("f"), b, &lim)
				ks.Set(db, slot, []byte(key), NewHashValue(h), false)
				model[key] = string(b)
			case n < 35:
				ks.Delete(db, slot, []byte(key))
				delete(model, key)
			case e == nil:
			case n < 50 && n >= 44: // as RENAME and MOVE do
				to, toKey := r.IntN(3), fmt.Sprintf("k%d", r.IntN(150))
				if to == db && toKey == key {
					continue
				}
				ks.Modify(db, slot, e)
				v, was := e.Value, model[key]
				if old := ks.dbs[to].Find(slotOfTest(toKey), []byte(toKey)); old != nil {
					ks.Modify(to, slotOfTest(toKey), old)
					ks.Delete(to, slotOfTest(toKey), []byte(toKey))
				}
				ks.Add(to, slotOfTest(toKey), []byte(toKey), v)
				ks.Delete(db, slot, []byte(key))
				delete(model, key)
				models[to][toKey] = was
			case e.Kind() == KindHash:
				ks.Modify(db, slot, e)
				h := e.Hash()
				h.Set(fmt.Append(nil, r.IntN(20)), b[:min(len(b), r.IntN(100))], &lim)
				h.Set([]byte("f"), b, &lim)
				h.Delete(fmt.Append(nil, r.IntN(20)))
				model[key] = string(b)
			case n < 40:
				ks.Modify(db, slot, e)
				e.Append(b)
				model[key] += string(b)
			case n < 44:
				ks.Modify(db, slot, e)
				at := r.IntN(200)
				e.SetRange(at, []byte("range"))
				old := []byte(model[key])
				old = append(old, make([]byte, max(0, at+5-len(old)))...)
				copy(old[at:], "range")
				model[key] = string(old)
			case n < 52:
				ks.Modify(db, slot, e)
				ks.Replace(db, slot, e, NewString(b))
				model[key] = string(b)
			default: // INCR and the like
				ks.Modify(db, slot, e)
				e.SetValue(NewInt(int64(n)))
				model[key] = fmt.Sprint(n)
			}
		}
		ks.Settle()
		if ks.Used() != ks.Recount() {
			t.Fatalf("step %d: %d bytes are used, counted anew %d", step, ks.Used(), ks.Recount())
		}
		switch r.IntN(300) {
		case 0:
			if unhook == nil {
				unhook = ks.BeforeWrite(func(*DB, uint16, Written) {})
			}
		case 1:
			if unhook != nil {
				unhook()
				unhook = nil
				for len(ks.freed)+len(ks.flushed) > 0 {
					ks.Settle()
				}
			}
		case 2:
			check()
		}
	}
}

func slotOfTest(key string) uint16 { return uint16(len(key)*7+int(key[len(key)-1])) % 3 }

// TestFreedWaits: what a command has looked at stays until Settle, and what somebody with a
// hook has seen until the hook is gone.
func TestFreedWaits(t *testing.T) {
	for _, change := range []struct {
		name string
		do   func(ks *Keyspace)
	}{
		{"Delete", func(ks *Keyspace) { ks.Delete(0, 1, []byte("key")) }},
		{"Overwrite", func(ks *Keyspace) {
			ks.Overwrite(0, 1, ks.dbs[0].Find(1, []byte("key")), []byte("of another size that doesn't fit there"))
		}},
		{"Set", func(ks *Keyspace) { ks.Set(0, 1, []byte("key"), NewInt(3), false) }},
		{"Flush", func(ks *Keyspace) { ks.Flush(0) }},
	} {
		ks := New(1, DefaultLimits())
		ks.AddString(0, 1, []byte("key"), []byte("value"))
		ks.Settle()
		e := *ks.dbs[0].Find(1, []byte("key"))
		if e.piece() == nil {
			t.Skip("no memory outside of the heap on this system")
		}
		same := func() bool { return e.Key() == "key" && string(e.Str(nil)) == "value" }
		unhook := ks.BeforeWrite(func(*DB, uint16, Written) {})
		change.do(ks)
		if !same() {
			t.Errorf("%s: gone before Settle", change.name)
		}
		for i := range 100 {
			ks.Settle()
			ks.AddString(0, 2, fmt.Append(nil, i), []byte("other"))
		}
		if !same() {
			t.Errorf("%s: gone though somebody has a hook", change.name)
		}
		unhook()
		if len(ks.flushed) > 0 {
			t.Errorf("%s: what was flushed waits for a command", change.name)
		}
		ks.Settle()
		if change.name != "Flush" && len(ks.freed) > 0 || len(ks.flushed) > 0 {
			t.Errorf("%s: %d pieces and %d databases still wait", change.name, len(ks.freed), len(ks.flushed))
		}
	}
}

// TestBacklogIsFreedGradually: what gathered under a snapshot doesn't hold a command up.
func TestBacklogIsFreedGradually(t *testing.T) {
	ks := New(1, DefaultLimits())
	unhook := ks.BeforeWrite(func(*DB, uint16, Written) {})
	const n = 10000
	for i := range n {
		ks.AddString(0, 1, fmt.Append(nil, i), []byte("value of some bytes"))
		ks.Delete(0, 1, fmt.Append(nil, i))
		ks.Settle()
	}
	unhook()
	if len(ks.freed) == 0 {
		t.Skip("no memory outside of the heap on this system")
	}
	for steps := 0; len(ks.freed) > 0; steps++ {
		before := len(ks.freed)
		ks.Settle()
		if gone := before - len(ks.freed); gone > freeAtOnce || gone == 0 {
			t.Fatalf("%d pieces were freed at once", gone)
		}
	}
	if used := ks.dbs[0].mem.Used(); used != 0 {
		t.Errorf("%d bytes are still in use", used)
	}
}

// TestKeyspaceIsFreed: the memory of a keyspace that nobody has any more goes back.
func TestKeyspaceIsFreed(t *testing.T) {
	runtime.GC()
	before := slab.Held()
	for range 3 {
		ks := New(2, DefaultLimits())
		for i := range 50000 {
			ks.AddString(i%2, 3, fmt.Append(nil, i), bytes.Repeat([]byte("v"), 100))
		}
		if i := ks.dbs[0].Len(); i != 25000 {
			t.Fatal(i)
		}
	}
	for deadline := time.Now().Add(10 * time.Second); slab.Held() > before; runtime.GC() {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes are held, %d before", slab.Held(), before)
		}
		time.Sleep(time.Millisecond)
	}
}

// TestOverwrite leaves what NewString returns, whatever was there.
func TestOverwrite(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	texts := []string{"", "0", "-17", "9223372036854775807", "007", "abc"}
	for range 200 {
		texts = append(texts, strings.Repeat("x", r.IntN(300)))
	}
	ks := New(1, DefaultLimits())
	ks.AddString(0, 5, []byte("k"), []byte("first"))
	for i := range 20000 {
		e := ks.dbs[0].Find(5, []byte("k"))
		if r.IntN(10) == 0 && e.Kind() == KindString {
			ks.Modify(0, 5, e)
			e.Append([]byte(texts[r.IntN(len(texts))]))
			ks.Settle()
		}
		text := []byte(texts[r.IntN(len(texts))])
		if i%100 == 0 {
			ks.Modify(0, 5, e)
			e.SetValue(NewListValue(&List{}))
		}
		ks.Overwrite(0, 5, e, text)
		ks.Settle()
		want := NewString(text)
		if string(e.Str(make([]byte, 20))) != string(text) || e.Encoding() != want.Encoding() || e.StrLen() != len(text) {
			t.Fatalf("%q became %q, %s", text, e.Str(make([]byte, 20)), e.Encoding())
		}
		if held := int(e.cap); e.enc != encInt && allocated(held) != allocated(len(text)) {
			t.Fatalf("%d bytes are held in %d", len(text), held)
		}
	}
}

func TestOverwriteAllocatesNothing(t *testing.T) {
	a, b := []byte(strings.Repeat("a", 100)), []byte(strings.Repeat("b", 97))
	ks := New(1, DefaultLimits())
	ks.AddString(0, 5, []byte("k"), a)
	e := ks.dbs[0].Find(5, []byte("k"))
	if n := testing.AllocsPerRun(100, func() { ks.Overwrite(0, 5, e, b); ks.Settle(); ks.Overwrite(0, 5, e, a); ks.Settle() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
