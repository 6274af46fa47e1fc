package fsm

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/quorate/quorate/fsm/rdb"
)

// largeFiller makes keys with large values, by commands of many arguments.
var largeFiller = []string{
	"RPUSH l{k}", "SADD t{k}", "ZADD z{k}", "HSET h{k}",
}

// fillLarge makes keys with large values, among small ones, all in one slot.
func fillLarge(x *writeBench) {
	run := func(line string) {
		x.units = nil
		x.unit(line, "", 0)
		x.apply(true)
		if reply := x.units[0].Reply.Buf; reply[0] == '-' {
			panic(fmt.Sprintf("%.80s: %s", line, reply))
		}
	}
	for i, command := range largeFiller {
		line := []string{command}
		for n := range 26000 {
			switch command[0] {
			case 'Z':
				line = append(line, fmt.Sprint(n%977), fmt.Sprint("member", n))
			case 'H':
				line = append(line, fmt.Sprint("f", n), fmt.Sprint("value", n))
			default:
				line = append(line, fmt.Sprint("element", n))
			}
		}
		run(strings.ReplaceAll(strings.Join(line, " "), "{k}", "{slot}"))
		run(fmt.Sprintf("SET small%d{slot} v", i))
	}
	for n := range 400 {
		run(fmt.Sprintf("XADD x{slot} %d-1 f %s", n+1, strings.Repeat("v", 1000)))
	}
	run("SET s{slot} " + strings.Repeat("string", 20000))
	run("SET last{slot} v")
	run("EXPIRE h{slot} 100000")
}

// disturbLarge changes the values somewhere, and now and then deletes, moves or renames one.
func disturbLarge(x *writeBench, r *rand.Rand) {
	n := r.IntN(26000)
	lines := []string{
		fmt.Sprintf("LSET l{slot} %d new", r.IntN(100)), "LPOP l{slot}", "RPOP l{slot} 50", "LPUSH l{slot} a b c", "LREM l{slot} 1 element" + fmt.Sprint(n),
		fmt.Sprintf("SREM t{slot} element%d", n), fmt.Sprintf("SADD t{slot} other%d", n), "SPOP t{slot} 3",
		fmt.Sprintf("ZADD z{slot} %d member%d", r.IntN(977), n), fmt.Sprintf("ZREM z{slot} member%d", n), "ZPOPMIN z{slot} 20", fmt.Sprintf("ZADD z{slot} 5.5 other%d", n),
		fmt.Sprintf("HSET h{slot} f%d changed", n), fmt.Sprintf("HDEL h{slot} f%d", n), fmt.Sprintf("HINCRBY h{slot} n%d 1", n%7),
		"XADD x{slot} * f v", fmt.Sprintf("XDEL x{slot} %d-1", r.IntN(400)+1), fmt.Sprintf("XTRIM x{slot} MAXLEN %d", 500-r.IntN(300)),
		fmt.Sprintf("SETRANGE s{slot} %d other", r.IntN(120000)), "APPEND s{slot} more",
	}
	line := lines[r.IntN(len(lines))]
	if r.IntN(60) == 0 {
		key := string("ltzhxs"[r.IntN(6)])
		line = []string{"DEL " + key + "{slot}", "RENAME " + key + "{slot} other{slot}", "COPY " + key + "{slot} copy{slot}", "FLUSHALL"}[r.IntN(4)]
	}
	x.units = nil
	x.unit(line, "", 0)
	x.apply(true)
}

// TestSnapshotOfLarge: large values, which are written in pieces, are as they were when
// the snapshot began, whatever is done to them before and meanwhile; and no
// machine is disturbed by its snapshots.
func TestSnapshotOfLarge(t *testing.T) {
	for _, kind := range []string{"snapshot", "file"} {
		for round := range 6 {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			r, r2 := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 1))
			x, alone := &writeBench{m: New(plain)}, &writeBench{m: New(plain)}
			fillLarge(x)
			fillLarge(alone)
			begin := x.m.BeginSnapshot
			write := func(s *Snapshot, w *pacer, mu *sync.RWMutex) error {
				_, err := s.WriteTo(w, mu.RLocker())
				return err
			}
			if kind == "file" {
				begin = func() *Snapshot { return x.m.BeginFile(File{Now: scriptTime}) }
				write = func(s *Snapshot, w *pacer, mu *sync.RWMutex) error {
					return WriteFile(w, File{}, []SnapshotPart{{Snapshot: s, Lock: mu.RLocker()}})
				}
			}
			take := func(before int, meanwhile func()) []byte {
				var mu sync.RWMutex
				s := begin()
				defer s.Release()
				for range before {
					meanwhile()
				}
				w := &pacer{meanwhile: func() {
					mu.Lock()
					defer mu.Unlock()
					meanwhile()
				}}
				if err := write(s, w, &mu); err != nil {
					t.Fatal(err)
				}
				return w.Bytes()
			}
			want := take(0, func() {})
			if kind == "snapshot" {
				same(t, restore(t, want), x.m)
			}
			pieces, changes := 0, 0
			got := take(round*40, func() {
				pieces++
				for range r.IntN(4) {
					changes++
					disturbLarge(x, r)
				}
			})
			if !bytes.Equal(got, want) {
				t.Fatalf("round %d: the %s is not the state at its beginning", round, kind)
			}
			if pieces < 50 {
				t.Errorf("written in %d pieces: large values in one?", pieces)
			}
			for r2n := 0; r2n < pieces; r2n++ {
				for range r2.IntN(4) {
					disturbLarge(alone, r2)
				}
			}
			same(t, x.m, alone.m)
			if !bytes.Equal(snapshot(t, x.m), snapshot(t, alone.m)) {
				t.Error("machines with and without a snapshot differ")
			}
		}
	}
}

// TestSnapshotOfLargeBesideApply is TestSnapshotOfLarge for the race detector: two
// snapshots and a reader at once.
func TestSnapshotOfLargeBesideApply(t *testing.T) {
	x := &writeBench{m: New(plain)}
	fillLarge(x)
	want := snapshot(t, x.m)
	r := rand.New(rand.NewPCG(rand.Uint64(), 1))
	var mu sync.RWMutex
	var out [2]bytes.Buffer
	var errs [2]error
	var done sync.WaitGroup
	snapshots := [2]*Snapshot{x.m.BeginSnapshot(), x.m.BeginSnapshot()}
	for i, s := range snapshots {
		done.Go(func() { _, errs[i] = s.WriteTo(&out[i], mu.RLocker()) })
	}
	done.Go(func() {
		for range 300 {
			mu.Lock()
			disturbLarge(x, r)
			mu.Unlock()
		}
	})
	done.Go(func() {
		reader := &writeBench{m: x.m}
		for _, line := range []string{"LRANGE l{slot} 0 -1", "HGETALL h{slot}", "ZRANGE z{slot} 0 -1", "SMEMBERS t{slot}", "XRANGE x{slot} - +"} {
			reader.unit(line, "", 0)
		}
		for range 20 {
			for _, u := range reader.units {
				mu.RLock()
				x.m.Read(u, scriptTime, 1)
				mu.RUnlock()
				u.Reply.Buf = u.Reply.Buf[:0]
			}
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

// TestPieces: a key that is written in pieces is written as in one.
func TestPieces(t *testing.T) {
	x := &writeBench{m: New(plain)}
	fillLarge(x)
	db, large := x.m.ks.DB(0), 0
	for i := range db.Len() {
		e := db.ByRank(i)
		if !e.Large() {
			continue
		}
		large++
		for _, like := range []rdb.Encoder{{}, {LikeRedis: true}, {Uncompressed: true}, {LikeRedis: true, Uncompressed: true}} {
			whole, pieces := like, like
			whole.UsedKey(e.Key(), 7, rdb.Usage{Idle: 5, Frequency: -1}, &e.Value)
			p := pieces.BeginKey(e.Key(), 7, rdb.Usage{Idle: 5, Frequency: -1}, e.Freeze())
			got := []byte{}
			for more := true; more; {
				got = append(got, pieces.Bytes()...)
				pieces.Reset()
				more = p.Write(&pieces, 1000)
			}
			got = append(got, pieces.Bytes()...)
			p.Release()
			if !bytes.Equal(got, whole.Bytes()) {
				t.Errorf("%s %v, like Redis %v, uncompressed %v: differs in pieces", e.Key(), e.Kind(), like.LikeRedis, like.Uncompressed)
			}
		}
	}
	if large != 6 {
		t.Errorf("%d large values, not one of each type", large)
	}
}
