package fsm

import "testing"

// The rolling digest stands in entries and snapshots: replicas of different
// versions must agree on it. Whoever changes it changes entryVersion.
func TestChainStaysTheSame(t *testing.T) {
	m := New(Options{Databases: 1})
	for n := 0; n < 3000; n += 137 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i*31 + n)
		}
		m.mix(b)
	}
	const want = 0x48e1a826dea927ec
	if m.Chain() != want {
		t.Fatalf("%#x, want %#x", m.Chain(), uint64(want))
	}
}

// Whatever differed once differs for ever, also behind equal input.
func TestChainRemembers(t *testing.T) {
	a, b := New(Options{Databases: 1}), New(Options{Databases: 1})
	a.mix([]byte("x"))
	b.mix([]byte("y"))
	for range 1000 {
		if a.Chain() == b.Chain() {
			t.Fatal("the difference is gone")
		}
		a.mix([]byte("same"))
		b.mix([]byte("same"))
	}
	a.mix([]byte("1"))
	a.mix([]byte("2"))
	b.chain = 0
	c := New(Options{Databases: 1})
	c.mix([]byte("2"))
	c.mix([]byte("1"))
	b.mix([]byte("1"))
	b.mix([]byte("2"))
	if c.Chain() == b.Chain() {
		t.Error("the order makes no difference")
	}
}
