package fsm

import (
	"hash/crc64"
	"testing"
)

// The rolling digest stands in entries and snapshots: replicas of different
// versions must agree on it.
func TestChainIsCRC64XZ(t *testing.T) {
	table := crc64.MakeTable(crc64.ECMA)
	m := New(Options{Databases: 1})
	var want uint64
	for n := 0; n < 3000; n += 137 {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(i*31 + n)
		}
		m.mix(b)
		if want = crc64.Update(want, table, b); m.Chain() != want {
			t.Fatalf("behind %d bytes: %x, want %x", n, m.Chain(), want)
		}
	}
}
