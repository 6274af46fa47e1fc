package fsm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/quorate/quorate/fsm/rdb"
)

var plain = Options{Databases: 16}

// snapshot writes a snapshot with nobody else around.
func snapshot(t *testing.T, m *Machine) []byte {
	t.Helper()
	var mu sync.RWMutex
	var b bytes.Buffer
	s := m.BeginSnapshot()
	defer s.Release()
	n, err := s.WriteTo(&b, mu.RLocker())
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("%d bytes, %d announced: %v", b.Len(), n, err)
	}
	return b.Bytes()
}

func restore(t *testing.T, b []byte) *Machine {
	t.Helper()
	m, err := Restore(bytes.NewReader(b), plain)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestRestoredStaysEqual: a machine that went through a snapshot and one that
// only applied the log are equal, and stay so whatever is applied to both.
func TestRestoredStaysEqual(t *testing.T) {
	seen := map[string]bool{}
	for range 4 {
		w := newWorkload(t, true)
		a := New(plain)
		for range 3 {
			for range 300 {
				w.apply(t, a)
			}
			b := restore(t, snapshot(t, a))
			same(t, b, a)
			for range 150 {
				w.apply(t, a, b)
			}
			same(t, b, a)
			if !bytes.Equal(snapshot(t, a), snapshot(t, b)) {
				t.Fatal("snapshots differ")
			}
			for i := range a.ks.DB(0).Len() {
				e := a.ks.DB(0).ByRank(i)
				seen[e.Kind().String()+" "+e.Encoding()] = true
			}
		}
	}
	for _, form := range []string{"string int", "string embstr", "string raw", "list quicklist", "set intset",
		"set hashtable", "zset listpack", "zset skiplist", "hash listpack", "hash hashtable", "stream stream"} {
		if !seen[form] {
			t.Errorf("the workload made no %s", form)
		}
	}
}

// pacer is a writer that lets something happen before each piece it takes.
type pacer struct {
	bytes.Buffer
	meanwhile func()
}

func (p *pacer) Write(b []byte) (int, error) {
	p.meanwhile()
	return p.Buffer.Write(b)
}

// TestSnapshotWhileWriting: what is written is the state at the beginning,
// whatever is applied between the pieces: databases that come, go and swap too.
func TestSnapshotWhileWriting(t *testing.T) {
	for range 10 {
		w := newWorkload(t, true)
		a := New(plain)
		for range 300 {
			w.apply(t, a)
		}
		want := snapshot(t, a)
		s := a.BeginSnapshot()
		for range w.r.IntN(20) {
			w.apply(t, a)
		}
		var mu sync.RWMutex
		p := &pacer{meanwhile: func() {
			mu.Lock()
			defer mu.Unlock()
			for range w.r.IntN(3) {
				w.apply(t, a)
			}
		}}
		_, err := s.WriteTo(p, mu.RLocker())
		if err != nil {
			t.Fatal(err)
		}
		s.Release()
		if !bytes.Equal(p.Bytes(), want) {
			t.Fatal("the snapshot is not the state at its beginning")
		}
		same(t, restore(t, snapshot(t, a)), a)
	}
}

// TestSnapshotBesideApply does the same with real concurrency, for the race
// detector, and with two snapshots at once.
func TestSnapshotBesideApply(t *testing.T) {
	w := newWorkload(t, true)
	a := New(plain)
	for range 500 {
		w.apply(t, a)
	}
	want := snapshot(t, a)
	var mu sync.RWMutex
	var out [2]bytes.Buffer
	var errs [2]error
	var done sync.WaitGroup
	snapshots := [2]*Snapshot{a.BeginSnapshot(), a.BeginSnapshot()}
	for i, s := range snapshots {
		done.Go(func() { _, errs[i] = s.WriteTo(&out[i], mu.RLocker()) })
	}
	done.Go(func() {
		for range 200 {
			mu.Lock()
			w.apply(t, a)
			mu.Unlock()
		}
	})
	done.Wait()
	for i, s := range snapshots {
		s.Release()
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		if !bytes.Equal(out[i].Bytes(), want) {
			t.Fatal("the snapshot is not the state at its beginning")
		}
	}
}

type failing struct{ after int }

var errDisk = errors.New("disk full")

func (f *failing) Write(b []byte) (int, error) {
	f.after--
	if f.after < 0 {
		return 0, errDisk
	}
	return len(b), nil
}

func TestSnapshotFails(t *testing.T) {
	w := newWorkload(t, false)
	a := New(plain)
	for range 200 {
		w.apply(t, a)
	}
	var mu sync.RWMutex
	for after := range 4 {
		s := a.BeginSnapshot()
		if _, err := s.WriteTo(&failing{after}, mu.RLocker()); !errors.Is(err, errDisk) {
			t.Fatalf("after %d pieces: %v", after, err)
		}
		w.apply(t, a)
		if len(s.pending) != 0 {
			t.Error("the applier still saves for a snapshot that has failed")
		}
		s.Release()
	}
	s := a.BeginSnapshot() // never written
	w.apply(t, a)
	s.Release()
	w.apply(t, a)
	if s.pending != nil {
		t.Error("the hook is still there after Release")
	}
	same(t, restore(t, snapshot(t, a)), a)
}

func TestSnapshotState(t *testing.T) {
	o := Options{Databases: 1, Cluster: true}
	a := New(o)
	a.owned.Add(0, 5460)
	a.owned.Add(16383, 16383)
	a.epoch, a.now, a.index, a.chain = 7, 1_700_000_000_123, 42, 1<<63+5
	for i, name := range limitNames {
		*a.LimitNamed(name) = 100 - 30*i
	}
	b, err := Restore(bytes.NewReader(snapshot(t, a)), o)
	if err != nil {
		t.Fatal(err)
	}
	same(t, b, a)
	if *b.owned != *a.owned {
		t.Error("other slots")
	}
	a.owned = &SlotSet{}
	if b, err = Restore(bytes.NewReader(snapshot(t, a)), o); err != nil || b.owned == nil || *b.owned != *a.owned {
		t.Errorf("no slots: %v", err)
	}
	if _, err := Restore(bytes.NewReader(snapshot(t, a)), plain); !errors.Is(err, ErrSnapshot) {
		t.Errorf("cluster state for a plain machine: %v", err)
	}
	if _, err := Restore(bytes.NewReader(snapshot(t, New(plain))), o); !errors.Is(err, ErrSnapshot) {
		t.Errorf("plain state for a cluster machine: %v", err)
	}
}

// resum puts the right checksum behind a file that was tampered with.
func resum(b []byte) []byte {
	body := b[:len(b)-8]
	return binary.LittleEndian.AppendUint64(bytes.Clone(body), rdb.CRC64(0, body))
}

func TestRestoreRefuses(t *testing.T) {
	w := newWorkload(t, false)
	a := New(plain)
	for range 20 {
		w.apply(t, a)
	}
	good := snapshot(t, a)
	for range 100 {
		n := w.r.IntN(len(good))
		if _, err := Restore(bytes.NewReader(good[:n]), plain); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut to %d bytes of %d: %v", n, len(good), err)
		}
		bad := bytes.Clone(good)
		bad[n] ^= 1 << w.r.IntN(8)
		if _, err := Restore(bytes.NewReader(bad), plain); err == nil {
			t.Fatalf("a wrong byte at %d of %d was not noticed", n, len(good))
		}
	}
	if _, err := Restore(bytes.NewReader(append(bytes.Clone(good), 0)), plain); !errors.Is(err, rdb.ErrFormat) {
		t.Errorf("a byte behind the end: %v", err)
	}

	var e rdb.Encoder
	file := func(build func()) []byte {
		e.Reset()
		e.Header()
		build()
		return resum(append(e.Bytes(), 0xff, 0, 0, 0, 0, 0, 0, 0, 0))
	}
	own := func(change func(fields map[string]string)) []byte {
		fields := map[string]string{auxFormat: snapshotFormat, auxIndex: "1", auxTime: "2", auxChain: "ab",
			auxOwned: ownsAll, auxEpoch: "0", auxLimits: a.formatLimits()}
		change(fields)
		return file(func() {
			for name, value := range fields {
				e.Aux(name, value)
			}
		})
	}
	if _, err := Restore(bytes.NewReader(own(func(map[string]string) {})), plain); err != nil {
		t.Fatal(err)
	}
	key := a.ks.DB(0).ByRank(0)
	for name, b := range map[string][]byte{
		"field missing":    own(func(f map[string]string) { delete(f, auxEpoch) }),
		"field replaced":   own(func(f map[string]string) { delete(f, auxEpoch); f["quorate-x"] = "1" }),
		"field unknown":    own(func(f map[string]string) { f["quorate-x"] = "1" }),
		"field twice":      file(func() { e.Aux(auxEpoch, "1"); e.Aux(auxEpoch, "1") }),
		"only one field":   file(func() { e.Aux(auxFormat, snapshotFormat) }),
		"newer format":     own(func(f map[string]string) { f[auxFormat] = "2" }),
		"bad index":        own(func(f map[string]string) { f[auxIndex] = "-1" }),
		"bad time":         own(func(f map[string]string) { f[auxTime] = "now" }),
		"bad chain":        own(func(f map[string]string) { f[auxChain] = "xyz" }),
		"bad epoch":        own(func(f map[string]string) { f[auxEpoch] = "" }),
		"bad slots":        own(func(f map[string]string) { f[auxOwned] = "0-16384" }),
		"bad limits":       own(func(f map[string]string) { f[auxLimits] = strings.Replace(f[auxLimits], "set-max", "sit-max", 1) }),
		"no such database": file(func() { e.SelectDB(16); e.Key("a", 0, &key.Value) }),
		"key twice":        file(func() { e.Key("a", 0, &key.Value); e.Key("a", 0, &key.Value) }),
	} {
		if _, err := Restore(bytes.NewReader(b), plain); !errors.Is(err, ErrSnapshot) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRestoreStock: a file without our fields is a machine at its beginning.
func TestRestoreStock(t *testing.T) {
	var e rdb.Encoder
	e.Header()
	e.Aux("redis-ver", "6.2.1")
	b := resum(append(e.Bytes(), 0xff, 0, 0, 0, 0, 0, 0, 0, 0))
	m := restore(t, b)
	same(t, m, New(plain))
	m, err := Restore(bytes.NewReader(b), Options{Databases: 1, Cluster: true})
	if err != nil || m.owned == nil || *m.owned != (SlotSet{}) {
		t.Errorf("in cluster mode: %v", err)
	}
}

// benchmarkMachine holds 200,000 strings of a usual size.
func benchmarkMachine(b *testing.B) *Machine {
	m := New(plain)
	for i := range 200_000 {
		data := entry(Header{Time: 1}, fmt.Sprintf("T.SET key:%012d value-of-%032x", i, uint64(i)*0x9e3779b97f4a7c15))
		if err := m.Apply(uint64(i+1), data, nil); err != nil {
			b.Fatal(err)
		}
	}
	return m
}

func BenchmarkSnapshot(b *testing.B) {
	m := benchmarkMachine(b)
	b.ResetTimer()
	for range b.N {
		var mu sync.RWMutex
		s := m.BeginSnapshot()
		n, err := s.WriteTo(io.Discard, mu.RLocker())
		if err != nil {
			b.Fatal(err)
		}
		s.Release()
		b.SetBytes(n)
	}
}

func BenchmarkBeginSnapshot(b *testing.B) {
	m := benchmarkMachine(b)
	b.ResetTimer()
	for range b.N {
		m.BeginSnapshot().Release()
	}
}

func BenchmarkRestore(b *testing.B) {
	var file bytes.Buffer
	s := benchmarkMachine(b).BeginSnapshot()
	if _, err := s.WriteTo(&file, new(sync.Mutex)); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(file.Len()))
	b.ResetTimer()
	for range b.N {
		if _, err := Restore(bytes.NewReader(file.Bytes()), plain); err != nil {
			b.Fatal(err)
		}
	}
}

// TestSnapshotOfMoved: a value that goes to another key and changes there is in the file
// as it was where it was.
func TestSnapshotOfMoved(t *testing.T) {
	setup := map[string]string{"s": "SET s value", "h": "HSET h f v", "l": "RPUSH l a b", "t": "SADD t 1 2", "z": "ZADD z 1 m", "x": "XADD x 1-1 f v"}
	change := map[string]string{"s": "SETRANGE d 0 V", "h": "HSET d f w", "l": "LSET d 0 c", "t": "SADD d 3", "z": "ZADD d 2 m", "x": "XADD d 2-1 f v"}
	for key := range setup {
		for _, move := range []string{"RENAME " + key + " d", "MOVE " + key + " 1", "COPY " + key + " d", "SWAPDB 0 1"} {
			x := &writeBench{m: New(Options{Databases: 16})}
			run := func(line string, db int) {
				x.unit(line, "", 1)
				for i := range x.units[0].Ops {
					x.units[0].Ops[i].DB = db
				}
				x.apply(true)
				if reply := x.units[0].Reply.Buf; len(reply) == 0 || reply[0] == '-' || string(reply) == ":0\r\n" && line == move {
					t.Fatalf("%s: %q", line, reply)
				}
				x.units = nil
			}
			run(setup[key], 0)
			want := snapshot(t, x.m)
			s := x.m.BeginSnapshot()
			run(move, 0)
			switch move[0] {
			case 'M', 'S':
				run(strings.Replace(change[key], " d", " "+key, 1), 1)
			default:
				run(change[key], 0)
			}
			var mu sync.RWMutex
			var got bytes.Buffer
			if _, err := s.WriteTo(&got, mu.RLocker()); err != nil {
				t.Fatal(err)
			}
			s.Release()
			if !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%s, %s: the snapshot is not the state at its beginning", setup[key], move)
			}
		}
	}
}
