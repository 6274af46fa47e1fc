package fsm

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"testing"
)

// loadSeeds returns files of all versions, of which those from 5 on end with a
// checksum of zero: what damages them need not know it.
func loadSeeds(t testing.TB) (files [][]byte) {
	for version := 2; version <= 11; version++ {
		f := newOldFile(version)
		f.everyType(version, false)
		b := f.end(version)
		if version >= 5 {
			clear(b[len(b)-8:])
		}
		files = append(files, b)
	}
	p := newPair(t, Options{})
	for _, line := range []string{"SET k v EX 1000", "RPUSH l a 1 b", "SADD s 1 2 3", "SADD t a b", "ZADD z 1 a 2 b", "HSET h f v", "XADD x 1-1 f v",
		"XGROUP CREATE x g 0", "XREADGROUP GROUP g c STREAMS x >"} {
		p.doWords(line)
	}
	file := File{NoChecksum: true}
	s := p.leader.BeginFile(file)
	defer s.Release()
	var b bytes.Buffer
	if err := WriteFile(&b, file, []SnapshotPart{{Snapshot: s, Lock: alone{}}}); err != nil {
		t.Fatal(err)
	}
	return append(files, b.Bytes())
}

// FuzzLoad loads files that have been damaged. Nothing may panic or take memory that
// the file doesn't account for, and what was loaded comes back from a snapshot and
// from a file for others.
func FuzzLoad(f *testing.F) {
	for _, b := range loadSeeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { loadDamaged(t, b) })
}

// loadDamaged reports whether the file was accepted.
func loadDamaged(t *testing.T, b []byte) bool {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m := New(plain)
	n, err := m.Load(bytes.NewReader(b), scriptTime, false, Options{})
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 32<<20+4000*uint64(len(b)) {
		t.Fatalf("%d bytes allocated for a file of %d", used, len(b))
	}
	if err != nil {
		return false
	}
	keys := int64(0)
	for i := range m.ks.Databases() {
		keys += int64(m.ks.DB(i).Len())
	}
	if keys != n.Keys {
		t.Fatalf("%d keys, %d are counted", keys, n.Keys)
	}
	if again := restore(t, snapshot(t, m)); again.Digest() != m.Digest() {
		t.Fatal("another digest after a snapshot")
	}
	plainZeros(m)
	other := New(plain)
	if _, err := other.Load(bytes.NewReader(fileOf(t, m, File{})), scriptTime, false, Options{}); err != nil {
		t.Fatalf("our own file: %v", err)
	}
	if other.Digest() != m.Digest() {
		t.Fatal("another digest after a file")
	}
	return true
}

// TestLoadDamaged is FuzzLoad for as many files as go test has time for.
func TestLoadDamaged(t *testing.T) {
	seeds := loadSeeds(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 5))
	loaded := 0
	for range 100 {
		b := bytes.Clone(seeds[r.IntN(len(seeds))])
		for range r.IntN(3) {
			switch i := r.IntN(len(b)); r.IntN(3) {
			case 0:
				b[i] = byte(r.IntN(256))
			case 1:
				b = append(b[:i:i], b[min(i+1+r.IntN(3), len(b)):]...)
			default:
				b[i] ^= byte(1 << r.IntN(8))
			}
		}
		if loadDamaged(t, b) {
			loaded++
		}
	}
	if loaded < 10 || loaded > 97 {
		t.Errorf("%d of 100 files were accepted: the damage is of the wrong size", loaded)
	}
}
