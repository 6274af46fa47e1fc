package fsm

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/rdb"
	"github.com/quorate/quorate/resp"
)

// restoreSeeds returns payloads without their footer: of every type and form
// that our DUMP writes, and those of older versions that rdb's tests list.
func restoreSeeds(t testing.TB) [][]byte {
	g := newGenerator(rand.New(rand.NewPCG(1, 1)))
	var seeds [][]byte
	forms := map[byte]int{}
	for range 2000 {
		b := g.payload()
		if forms[b[0]]++; forms[b[0]] <= 6 {
			seeds = append(seeds, b[:len(b)-dumpFooterSize])
		}
	}
	for _, payload := range oldPayloads(t) {
		seeds = append(seeds, payload[:len(payload)-dumpFooterSize])
	}
	return seeds
}

const dumpFooterSize = 10

// FuzzRestore restores payloads that have been damaged and given a checksum that
// is right, and then lets random commands loose on the key. Nothing may panic,
// take memory that the payload doesn't account for, or make a replica that was
// restored from a snapshot differ.
//
// The corpus under testdata/fuzz/FuzzRestore is of its runs.
func FuzzRestore(f *testing.F) {
	for i, seed := range restoreSeeds(f) {
		f.Add(seed, uint64(i))
	}
	f.Fuzz(func(t *testing.T, body []byte, seed uint64) {
		if len(body) > 1<<16 {
			return
		}
		restoreAndUse(t, body, seed)
	})
}

// TestRestoreDamaged is FuzzRestore for as many payloads as go test has time for.
func TestRestoreDamaged(t *testing.T) {
	seeds := restoreSeeds(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 3))
	restored := 0
	for range 1000 {
		body := append([]byte(nil), seeds[r.IntN(len(seeds))]...)
		for range r.IntN(3) {
			switch i := r.IntN(len(body)); r.IntN(4) {
			case 0:
				body[i] = byte(r.IntN(256))
			case 1:
				body = append(body[:i:i], body[min(i+1+r.IntN(3), len(body)):]...)
				if len(body) == 0 {
					body = []byte{0}
				}
			default:
				body[i] ^= byte(1 << r.IntN(8))
			}
		}
		if restoreAndUse(t, body, r.Uint64()) {
			restored++
		}
	}
	if restored < 150 || restored > 950 {
		t.Errorf("%d of 1000 payloads were accepted: the damage is of the wrong size", restored)
	}
}

// oldPayloads reads the payloads of older versions of Redis.
func oldPayloads(t testing.TB) (payloads [][]byte) {
	data, err := os.ReadFile(filepath.Join("rdb", "testdata", "old_forms.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if _, text, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && line[0] != '#' {
			payload, err := hex.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			payloads = append(payloads, payload)
		}
	}
	return payloads
}

// traffic is the generator of the commands, made once: it reads the whole table.
var traffic = sync.OnceValue(func() *generator { return newGenerator(nil) })

// restoreAndUse reports whether the payload was accepted.
func restoreAndUse(t *testing.T, body []byte, seed uint64) bool {
	payload := binary.LittleEndian.AppendUint16(append([]byte(nil), body...), rdb.Version)
	payload = binary.LittleEndian.AppendUint64(payload, rdb.CRC64(0, payload))
	m := New(plain)
	m.ks.Limits.ProtoMaxBulkLen = 1 << 16
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	reply := &resp.Writer{Proto: 2}
	index := uint64(1)
	run := func(op Op) {
		u := &Unit{Ops: []Op{op}, Reply: reply}
		data, _ := AppendUnit(AppendHeader(nil, Header{Time: scriptTime, Seed: seed}), u, 0, scriptTime, index-1)
		if err := m.Apply(index, data, []*Unit{u}); err != nil {
			t.Fatalf("%q on %x: %v", op.Args, body, err)
		}
		index++
	}
	key := []byte("k")
	run(Op{Cmd: writesByName["RESTORE"], Slot: -1, Args: [][]byte{[]byte("RESTORE"), key, []byte("0"), payload}})
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20+2000*uint64(len(body)) {
		t.Fatalf("%d bytes allocated for a payload of %d: %x", used, len(body), body)
	}
	if string(reply.Buf) != "+OK\r\n" {
		if n := m.ks.DB(0).Len(); n != 0 {
			t.Fatalf("%d keys after the reply %q", n, reply.Buf)
		}
		return false
	}
	g := traffic()
	g.r = rand.New(rand.NewPCG(seed, 1))
	for n := 0; n < 30; {
		op := g.op()
		keys, ok := op.Cmd.AppendKeys(nil, op.Args)
		if !ok || len(keys) == 0 || op.Cmd.Flags.Has(command.Blocking) {
			continue
		}
		for _, i := range keys {
			op.Args[i] = key
		}
		op.DB = 0
		reply.Buf = reply.Buf[:0]
		run(op)
		n++
	}
	if again := restore(t, snapshot(t, m)); again.Digest() != m.Digest() {
		t.Fatalf("another digest after a snapshot: %x", body)
	}
	return true
}
