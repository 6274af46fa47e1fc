package fsm

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/fsm/rdb"
)

// BenchmarkLoad loads keys with values of 100 bytes: from a file in the order of
// another server, and from a snapshot.
func BenchmarkLoad(b *testing.B) {
	const keys = 200_000
	var e rdb.Encoder
	e.Header()
	e.SelectDB(0)
	e.ResizeDB(keys, 0)
	r := rand.New(rand.NewPCG(1, 1))
	value := make([]byte, 100)
	for i := range keys {
		for j := range value {
			value[j] = byte(r.Uint32())
		}
		v := keyspace.NewString(value)
		e.Key(fmt.Sprintf("key:%012d", i), 0, &v)
	}
	var file, snapshot bytes.Buffer
	w := rdb.NewWriter(&file)
	if _, err := w.Write(e.Bytes()); err != nil {
		b.Fatal(err)
	}
	if err := w.Finish(); err != nil {
		b.Fatal(err)
	}
	m := New(Options{Databases: 16})
	if _, err := m.Load(bytes.NewReader(file.Bytes()), 1, false, Options{}); err != nil {
		b.Fatal(err)
	}
	if _, err := m.BeginSnapshot().WriteTo(&snapshot, alone{}); err != nil {
		b.Fatal(err)
	}
	b.Run("file", func(b *testing.B) {
		b.SetBytes(int64(file.Len()))
		for b.Loop() {
			if _, err := New(Options{Databases: 16}).Load(bytes.NewReader(file.Bytes()), 1, false, Options{}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/keys, "ns/key")
	})
	b.Run("snapshot", func(b *testing.B) {
		b.SetBytes(int64(snapshot.Len()))
		for b.Loop() {
			if _, err := Restore(bytes.NewReader(snapshot.Bytes()), Options{Databases: 16}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/keys, "ns/key")
	})
	b.Run("write", func(b *testing.B) {
		b.SetBytes(int64(snapshot.Len()))
		for b.Loop() {
			s := m.BeginSnapshot()
			if _, err := s.WriteTo(io.Discard, alone{}); err != nil {
				b.Fatal(err)
			}
			s.Release()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/keys, "ns/key")
	})
}
