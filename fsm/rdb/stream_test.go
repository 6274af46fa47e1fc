package rdb

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/quorate/quorate/fsm/keyspace"
)

// showStream writes all there is to know about a stream.
func showStream(b *strings.Builder, s *keyspace.Stream) {
	fmt.Fprintf(b, " %d %d %v %v %v", s.Len(), s.Added(), s.LastID(), s.FirstID(), s.MaxDeletedID())
	s.EachNode(func(id keyspace.StreamID, lp []byte) { fmt.Fprintf(b, " node %v %x", id, lp) })
	for _, g := range s.Groups() {
		fmt.Fprintf(b, " group %q %v %d", g.Name(), g.LastID, g.Read)
		g.Each(keyspace.StreamID{}, keyspace.MaxStreamID, nil, func(id keyspace.StreamID, p *keyspace.StreamPending) bool {
			fmt.Fprintf(b, " %v %q %d %d", id, p.Consumer().Name(), p.Time, p.Count)
			return true
		})
		for _, c := range g.Consumers() {
			fmt.Fprintf(b, " consumer %q %d", c.Name(), c.Seen)
			g.Each(keyspace.StreamID{}, keyspace.MaxStreamID, c, func(id keyspace.StreamID, _ *keyspace.StreamPending) bool {
				fmt.Fprintf(b, " %v", id)
				return true
			})
		}
	}
}

// sampleStream returns a stream with deleted entries, groups, and entries that
// wait for consumers.
func sampleStream() *keyspace.Stream {
	limits := keyspace.DefaultLimits()
	limits.StreamNodeMaxEntries = 3
	s := &keyspace.Stream{}
	for i := range uint64(10) {
		field := "field"
		if i%3 == 1 {
			field = "17"
		}
		s.Add(keyspace.StreamID{MS: i/2 + 1, Seq: 5 - i%2*4 + i/2}, [][]byte{[]byte(field), []byte("value"), []byte("a"), []byte("")}, &limits)
		if i%2 == 0 {
			s.SetLastID(keyspace.StreamID{MS: i/2 + 1}) // so that sequence numbers go back
		}
	}
	s.Delete(keyspace.StreamID{MS: 2, Seq: 6})
	for _, name := range []string{"", "g", "gg"} {
		g := s.CreateGroup([]byte(name), keyspace.StreamID{MS: 3}, keyspace.UnknownRead)
		for i, consumer := range []string{"c", "1234"} {
			c := g.CreateConsumer([]byte(consumer), 1_700_000_000_000)
			for n := range uint64(3) {
				p := g.Assign(keyspace.StreamID{MS: n + 1, Seq: uint64(i)}, c)
				p.Time, p.Count = 1_700_000_000_001, int64(n)
			}
		}
	}
	return s
}

// body returns the bytes of a value as AppendDump writes it.
func body(v keyspace.Value) (valueType byte, b []byte) {
	b = AppendDump(nil, &v)
	return b[0], b[1 : len(b)-dumpFooter]
}

// TestStreamRoundTrip: a stream comes back as it was.
func TestStreamRoundTrip(t *testing.T) {
	for _, s := range []*keyspace.Stream{{}, sampleStream()} {
		v := keyspace.NewStreamValue(s)
		again, err := ParseDump(AppendDump(nil, &v), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := show(&again), show(&v); got != want {
			t.Errorf("\n got %s\nwant %s", got, want)
		}
	}
}

// TestStreamForms: the forms of Redis 5 and of 7.2 are read: the first lacks
// counters, the second has another time for each consumer.
func TestStreamForms(t *testing.T) {
	const id1 = "\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00"
	const time = "\x01\x00\x00\x00\x00\x00\x00\x00"
	node := "\x01\x10" + id1 + packed("2", "0", "1", "f", "0", "2", "0", "0", "v", "4", "2", "1", "0", "w", "4")
	group := func(read, active string) string {
		return "\x01\x01g\x01\x00" + read + "\x01" + id1 + time + "\x03" + "\x01\x01c" + time + active + "\x01" + id1
	}
	for name, payload := range map[string][]byte{
		"5.0": sealed(typeStream1, node+"\x02\x02\x00"+group("", "")),
		"7.0": sealed(typeStream2, node+"\x02\x02\x00\x01\x00\x00\x00\x02"+group("\x01", "")),
		"7.2": sealed(typeStream3, node+"\x02\x02\x00\x01\x00\x00\x00\x02"+group("\x01", time)),
	} {
		v, err := ParseDump(payload, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		s := v.Stream()
		g := s.Group([]byte("g"))
		got := fmt.Sprint(s.Len(), s.Added(), s.LastID(), s.FirstID(), g.Read, g.Pending(), g.Consumer([]byte("c")).Pending())
		if want := "2 2 2-0 1-0 1 1 1"; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestStreamsRefused: what doesn't belong together is no stream.
func TestStreamsRefused(t *testing.T) {
	const id1, id2 = "\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00", "\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00"
	const time, state, ones = "\x01\x00\x00\x00\x00\x00\x00\x00", "\x01\x01\x00\x01\x00\x00\x00\x01", "\x01\x00\x01"
	node := func(elements ...string) string { return "\x10" + id1 + packed(elements...) }
	good := node("1", "0", "1", "f", "0", "2", "0", "0", "v", "4")
	nack := id1 + time + "\x01"
	consumer := func(name string, ids ...string) string {
		return "\x01" + name + time + string(rune(len(ids))) + strings.Join(ids, "")
	}
	for name, text := range map[string]string{
		"ID of a node too short":     "\x01\x01a" + packed("0", "0", "0", "0") + state + "\x00",
		"node no listpack":           "\x01\x10" + id1 + "\x03abc" + state + "\x00",
		"empty listpack":             "\x01" + node() + state + "\x00",
		"node without fields' end":   "\x01" + node("1", "0", "1", "f") + state + "\x00",
		"end of fields not 0":        "\x01" + node("1", "0", "1", "f", "1", "2", "0", "0", "v", "4") + state + "\x00",
		"count of text":              "\x01" + node("x", "0", "1", "f", "0", "2", "0", "0", "v", "4") + state + "\x00",
		"more fields than elements":  "\x01" + node("1", "0", "9223372036854775807", "f", "0", "2", "0", "0", "v", "4") + state + "\x00",
		"negative number of fields":  "\x01" + node("1", "0", "-1", "f", "0", "2", "0", "0", "v", "4") + state + "\x00",
		"count too large":            "\x01" + node("2", "0", "1", "f", "0", "2", "0", "0", "v", "4") + "\x02\x01\x00\x01\x00\x00\x00\x01\x00",
		"deleted not counted":        "\x01" + node("1", "0", "1", "f", "0", "3", "0", "0", "v", "4") + state + "\x00",
		"entry cut":                  "\x01" + node("1", "0", "1", "f", "0", "2", "0", "0", "v") + state + "\x00",
		"wrong way back":             "\x01" + node("1", "0", "1", "f", "0", "2", "0", "0", "v", "3") + state + "\x00",
		"entry of too many fields":   "\x01" + node("1", "0", "1", "f", "0", "0", "0", "0", "4611686018427387904", "a", "b", "4") + state + "\x00",
		"entry of negative fields":   "\x01" + node("1", "0", "1", "f", "0", "0", "0", "0", "-1", "2") + state + "\x00",
		"ID of text":                 "\x01" + node("1", "0", "1", "f", "0", "2", "x", "0", "v", "4") + state + "\x00",
		"node twice":                 "\x02" + good + good + "\x02\x01\x00\x01\x00\x00\x00\x02\x00",
		"length wrong":               "\x01" + good + "\x02\x01\x00\x01\x00\x00\x00\x01\x00",
		"length without nodes":       "\x00" + state + "\x00",
		"group twice":                "\x01" + good + state + "\x02\x01g" + ones + "\x00\x00\x01g" + ones + "\x00\x00",
		"groups out of order":        "\x01" + good + state + "\x02\x01h" + ones + "\x00\x00\x01g" + ones + "\x00\x00",
		"pending twice":              "\x01" + good + state + "\x01\x01g" + ones + "\x02" + nack + nack + "\x01" + consumer("c", id1),
		"pending of nobody":          "\x01" + good + state + "\x01\x01g" + ones + "\x01" + nack + "\x00",
		"pending of nobody but one":  "\x01" + good + state + "\x01\x01g" + ones + "\x01" + nack + "\x01" + consumer("c"),
		"pending of two":             "\x01" + good + state + "\x01\x01g" + ones + "\x01" + nack + "\x02" + consumer("c", id1) + consumer("d", id1),
		"pending twice for one":      "\x01" + good + state + "\x01\x01g" + ones + "\x01" + nack + "\x01" + consumer("c", id1, id1),
		"pending that group lacks":   "\x01" + good + state + "\x01\x01g" + ones + "\x01" + nack + "\x01" + consumer("c", id2),
		"consumer twice":             "\x01" + good + state + "\x01\x01g" + ones + "\x01" + nack + "\x02" + consumer("c", id1) + consumer("c"),
		"special encoding as length": "\x01" + good + "\xc0" + "\x01\x00\x01\x00\x00\x00\x01\x00",
	} {
		if _, err := ParseDump(sealed(typeStream2, text), nil); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"nodes missing":     "\x81\x7f\xff\xff\xff\xff\xff\xff\xff" + good,
		"groups missing":    "\x01" + good + state + "\x81\x7f\xff\xff\xff\xff\xff\xff\xff",
		"pending missing":   "\x01" + good + state + "\x01\x01g" + ones + "\x81\x7f\xff\xff\xff\xff\xff\xff\xff" + nack,
		"consumers missing": "\x01" + good + state + "\x01\x01g" + ones + "\x00\x81\x7f\xff\xff\xff\xff\xff\xff\xff" + consumer("c"),
	} {
		if _, err := ParseDump(sealed(typeStream2, text), nil); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzStream feeds streams with a right checksum and does to what comes of them
// all that commands can do.
func FuzzStream(f *testing.F) {
	_, sample := body(keyspace.NewStreamValue(sampleStream()))
	for _, valueType := range []byte{typeStream1, typeStream2, typeStream3} {
		f.Add(valueType, sample, uint64(2), uint64(6))
	}
	limits := keyspace.DefaultLimits()
	f.Fuzz(func(t *testing.T, valueType byte, b []byte, ms, seq uint64) {
		v, err := ParseDump(sealed(valueType, string(b)), &limits)
		if err != nil || v.Kind() != keyspace.KindStream {
			return
		}
		c := v.Clone()
		before := show(&v)
		s, id := c.Stream(), keyspace.StreamID{MS: ms, Seq: seq}
		var ids []keyspace.StreamID
		for _, backwards := range []bool{false, true} {
			s.Walk(keyspace.StreamID{}, keyspace.MaxStreamID, backwards, func(e *keyspace.StreamEntry) bool {
				e.Each(func(field, value []byte) {})
				ids = append(ids, e.ID)
				return true
			})
		}
		if len(ids) > 2*s.Len() {
			t.Fatalf("%d entries met in a stream of %d", len(ids)/2, s.Len())
		}
		s.TreeNodes()
		for _, g := range s.Groups() {
			s.Lag(g)
			consumer := g.CreateConsumer([]byte("fuzz"), 1)
			if consumer == nil {
				consumer = g.Consumer([]byte("fuzz"))
			}
			for i, id := range append(ids, id) {
				s.Advance(g, id)
				if i%2 == 0 {
					g.Assign(id, consumer)
				}
				g.Ack(id)
			}
			for id, _, ok := g.Next(id); ok; id, _, ok = g.Next(id) {
				g.Assign(id, consumer)
				if id, ok = id.Next(); !ok {
					break
				}
			}
			g.DeleteConsumer(consumer)
		}
		if s.LastID() != keyspace.MaxStreamID {
			next, _ := s.NextID(1)
			s.Add(next, [][]byte{[]byte("field"), []byte("value")}, &limits)
		}
		s.Delete(id)
		s.Trim(keyspace.StreamTrim{ByID: true, MinID: id})
		s.Trim(keyspace.StreamTrim{MaxLen: int64(seq % 5)})
		if show(&v) != before {
			t.Fatal("a clone shares something with the original")
		}
	})
}
