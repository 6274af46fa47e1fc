package fsm

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/quorate/quorate/fsm/keyspace"
)

// dumpStream returns all there is to know about a stream, as text.
func dumpStream(s *keyspace.Stream) (parts []string) {
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	add("%d entries, %d ever, %d nodes, last %v, first %v, deleted %v",
		s.Len(), s.Added(), s.Nodes(), s.LastID(), s.FirstID(), s.MaxDeletedID())
	s.Walk(keyspace.StreamID{}, keyspace.MaxStreamID, false, func(e *keyspace.StreamEntry) bool {
		add("%v", e.ID)
		e.Each(func(field, value []byte) { add("%q %q", field, value) })
		return true
	})
	s.EachNode(func(id keyspace.StreamID, lp []byte) { add("node %v of %d bytes", id, len(lp)) })
	for _, g := range s.Groups() {
		add("group %q at %v, %d read, %d pending", g.Name(), g.LastID, g.Read, g.Pending())
		g.Each(keyspace.StreamID{}, keyspace.MaxStreamID, nil, func(id keyspace.StreamID, p *keyspace.StreamPending) bool {
			add("%v %q %d %d", id, p.Consumer().Name(), p.Time, p.Count)
			return true
		})
		for _, c := range g.Consumers() {
			add("consumer %q seen %d has %d", c.Name(), c.Seen, c.Pending())
			g.Each(keyspace.StreamID{}, keyspace.MaxStreamID, c, func(id keyspace.StreamID, p *keyspace.StreamPending) bool {
				if p.Consumer() != c {
					add("%v is another's", id)
				}
				return true
			})
		}
	}
	return parts
}

// testStreamAdd adds an entry, mostly of the same fields, reads for a group, and
// now and then gives the entry to another consumer or acknowledges it.
func testStreamAdd(c *WriteCall) {
	v := testValue(c, keyspace.KindStream, keyspace.NewStreamValue(&keyspace.Stream{}))
	if v == nil {
		return
	}
	s := v.Stream()
	testStreamGrow(c, s, c.Args[2])
	g := s.Group([]byte("g"))
	if g == nil && c.Rand().IntN(3) == 0 {
		g = s.CreateGroup([]byte("g"), keyspace.StreamID{}, 0)
	}
	if g == nil {
		return
	}
	name := []byte{'a' + byte(c.Rand().IntN(3))}
	consumer := g.Consumer(name)
	if consumer == nil {
		consumer = g.CreateConsumer(name, c.now)
	}
	var ids []keyspace.StreamID
	next, _ := g.LastID.Next()
	s.Walk(next, keyspace.MaxStreamID, false, func(e *keyspace.StreamEntry) bool {
		ids = append(ids, e.ID)
		return true
	})
	for _, id := range ids {
		s.Advance(g, id)
		p := g.Assign(id, consumer)
		p.Time, p.Count = c.now, 1
	}
	if id, _, ok := g.Next(keyspace.StreamID{}); ok && c.Rand().IntN(2) == 0 {
		g.Assign(id, consumer)
		if c.Rand().IntN(2) == 0 {
			g.Ack(id)
		}
	}
}

// testStreamGrow adds an entry of the element.
func testStreamGrow(c *WriteCall, s *keyspace.Stream, element []byte) {
	pairs := [][]byte{[]byte("field"), element}
	if c.Rand().IntN(4) == 0 {
		pairs = [][]byte{element, element, []byte("17"), []byte("x")}
	}
	id, _ := s.NextID(c.now)
	s.Add(id, pairs, c.Limits())
}

// testStreamDrop deletes a random entry, or trims some off.
func testStreamDrop(c *WriteCall, s *keyspace.Stream) {
	if s.Len() == 0 {
		return
	}
	n := c.Rand().IntN(s.Len())
	if c.Rand().IntN(8) == 0 {
		s.Trim(keyspace.StreamTrim{MaxLen: int64(n), Approx: c.Rand().IntN(2) == 0})
		return
	}
	var id keyspace.StreamID
	s.Walk(id, keyspace.MaxStreamID, false, func(e *keyspace.StreamEntry) bool {
		id = e.ID
		n--
		return n >= 0
	})
	s.Delete(id)
}

// redisStream sends commands that change a stream and its groups.
func redisStream(w *workload, do func(args ...string) string, key string) {
	n := strconv.Itoa(w.r.IntN(3))
	do("XADD", key, "*", "f", w.word(), w.word(), "v")
	switch w.r.IntN(6) {
	case 0:
		do("XADD", key, "*", "f", w.word())
		do("XTRIM", key, "MAXLEN", "40")
	case 1:
		do("XADD", key, "*", "f", w.word())
		do("EVAL", "return redis.call('XDEL', KEYS[1], redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 5)[1][1])", "1", key)
	case 2:
		do("EVAL", "redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0') return 1", "1", key, "g"+n)
	case 3:
		do("EVAL", "redis.pcall('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', 4, 'STREAMS', KEYS[1], '>') return 1", "1", key, "g"+n, w.word())
	case 4:
		do("EVAL", "redis.pcall('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, '0', 'COUNT', 2) return 1", "1", key, "g"+n, w.word())
	}
}

// streamArgument returns an argument of a command on streams, or nil for one
// that isn't special there. Entries have small IDs, which slowly grow, so that
// those that commands ask for are often there.
func (g *generator) streamArgument(c *Command, word, name string) []byte {
	near := func(ahead int) []byte {
		ms := max(1, g.ids+ahead-g.r.IntN(12))
		return fmt.Appendf(nil, "%d-%d", ms, g.r.IntN(3))
	}
	switch word {
	case "*", "id":
		if c.Name == "XADD" {
			g.ids += g.r.IntN(4) / 3
			switch n := g.r.IntN(40); {
			case n == 0:
				return []byte("*")
			case n < 8:
				return near(1)
			}
			return fmt.Appendf(nil, "%d-*", g.ids)
		}
		if c.Name == "XREADGROUP" && g.r.IntN(2) == 0 {
			return []byte(">")
		}
		if g.r.IntN(6) == 0 {
			return []byte([]string{"$", "0", "-", "+", "0-0", "5"}[g.r.IntN(6)])
		}
		return near(0)
	case "start", "end", "min", "max":
		switch g.r.IntN(4) {
		case 0:
			return []byte([]string{"-", "+", "0"}[g.r.IntN(3)])
		case 1:
			return append([]byte("("), near(0)...)
		}
		return near(0)
	case "threshold":
		if g.r.IntN(2) == 0 {
			return near(-8)
		}
		return strconv.AppendInt(nil, int64(g.r.IntN(30)), 10)
	case "last-id", "max_deleted_entry_id":
		return near(2)
	case "group", "groupname", "consumer", "consumername":
		return []byte{word[0], '0' + byte(g.r.IntN(3)/2)}
	case "min-idle-time", "ms":
		return strconv.AppendInt(nil, int64(g.r.IntN(3)*g.r.IntN(400)), 10)
	case "entries_read", "entries_added":
		return strconv.AppendInt(nil, int64(g.r.IntN(60)-2), 10)
	case "milliseconds":
		return strconv.AppendInt(nil, int64(g.r.IntN(3)), 10)
	}
	return nil
}

// streamRead returns an XREAD or XREADGROUP: their syntax doesn't say that there
// are as many IDs as keys.
func (g *generator) streamRead(c *Command) [][]byte {
	args := named(c)
	say := func(words ...string) {
		for _, word := range words {
			args = append(args, g.argument(c, word, word))
		}
	}
	if c.Name == "XREADGROUP" {
		say("GROUP", "group", "consumer")
	}
	for _, option := range [][]string{{"COUNT", "count"}, {"BLOCK", "milliseconds"}, {"NOACK"}} {
		if g.r.IntN(4) == 0 {
			say(option...)
		}
	}
	say("STREAMS")
	n := 1 + g.r.IntN(3)/2
	for _, word := range []string{"key", "id"} {
		for range n {
			say(word)
		}
	}
	return args
}

// TestStreamReadsDontBlock: what would wait answers as if it had waited in vain.
func TestStreamReadsDontBlock(t *testing.T) {
	p := newPair(t, Options{})
	p.want("XADD s 1-1 f v", "$3\r\n1-1\r\n")
	p.want("XGROUP CREATE s g $", "+OK\r\n")
	p.want("XREAD BLOCK 0 STREAMS s $", "*-1\r\n")
	p.want("XREADGROUP GROUP g c BLOCK 0 STREAMS s >", "*-1\r\n")
	p.proto = 3
	p.want("XREAD BLOCK 100 STREAMS s 5", "_\r\n")
}

// TestStreamReadParsing pins what blocking is going to build on.
func TestStreamReadParsing(t *testing.T) {
	words := func(line ...string) (args [][]byte) {
		for _, w := range line {
			args = append(args, []byte(w))
		}
		return args
	}
	r, errText := parseStreamRead(words("XREADGROUP", "GROUP", "g", "c", "BLOCK", "25", "COUNT", "-3", "NOACK", "STREAMS", "a", "b", ">", "0"), true)
	if errText != "" {
		t.Fatal(errText)
	}
	got := fmt.Sprintf("%v %q %q %v %d %d %q %q", r.grouped, r.group, r.consumer, r.noAck, r.count, r.block, r.keys, r.ids)
	if want := `true "g" "c" true 0 25 ["a" "b"] [">" "0"]`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if r, errText := parseStreamRead(words("XREAD", "STREAMS", "a", "0"), false); errText != "" || r.block != noBlock {
		t.Errorf("%d, %s", r.block, errText)
	}
}
