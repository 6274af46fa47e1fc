package fsm

import (
	"bytes"
	"testing"

	"github.com/quorate/quorate/resp"
)

// op returns the step that a session would make of a command.
func (p *pair) op(words ...string) Op {
	p.t.Helper()
	args := make([][]byte, len(words))
	for i, w := range words {
		args[i] = []byte(w)
	}
	cmd, errText := findCommand(args)
	if cmd == nil {
		p.t.Fatal(errText)
	}
	return Op{Cmd: cmd.For(args), Args: args, Slot: -1}
}

// TestWritesThatRead makes sure that writes cost an entry only if they write.
func TestWritesThatRead(t *testing.T) {
	p := newPair(t, Options{})
	for words, writes := range map[string]bool{
		"BITFIELD k": false, "BITFIELD k GET u8 0": false, "bitfield k get u8 0 OVERFLOW sat GET i5 #3": false,
		"BITFIELD k SET u8 0 1": true, "BITFIELD k GET u8 0 incrby u8 0 0": true, "BITFIELD_RO k GET u8 0": false,
		"BITFIELD k GET x 0": false,
		"SORT k":             false, "SORT k BY w LIMIT 0 1 get #": false, "SORT k ALPHA store to": true,
		"GEORADIUS k 1 2 3 m COUNT STORE": false, "GEORADIUS k 1 2 3 m WITHDIST storedist to": true,
		"GEORADIUSBYMEMBER k a 3 m ASC": false, "GEORADIUSBYMEMBER k a 3 m STORE to": true,
	} {
		o := p.op(bytesFields(words)...)
		if o.Writes() != writes {
			t.Errorf("%s writes: %v", words, !writes)
		}
		if o.Cmd.Name == "" {
			t.Errorf("%s runs a command without a name", words)
		}
	}
}

func bytesFields(s string) (words []string) {
	for _, f := range bytes.Fields([]byte(s)) {
		words = append(words, string(f))
	}
	return words
}

// TestPfcountIsStored makes sure that the estimate of a PFCOUNT gets into the
// value of every replica, and that a read changes nothing by itself.
func TestPfcountIsStored(t *testing.T) {
	value := func(p *pair) string { return p.doWords("GET k") }
	read := func(p *pair, u *Unit) bool {
		u.Reply = &resp.Writer{Proto: 2}
		return p.leader.Read(u, p.now, 1)
	}
	const one = ":3\r\n"
	fresh := func() (*pair, string) {
		p := newPair(t, Options{})
		p.doWords("PFADD k a b c")
		return p, value(p)
	}

	p, before := fresh()
	u := &Unit{Ops: []Op{p.op("PFCOUNT", "k")}, Stale: true}
	if !read(p, u) || string(u.Reply.Buf) != one || u.Writes() || value(p) != before {
		t.Fatalf("a stale read: %q, writes %v", u.Reply.Buf, u.Writes())
	}

	u = &Unit{Ops: []Op{p.op("GET", "k"), p.op("PFCOUNT", "k")}}
	if read(p, u) || len(u.Reply.Buf) > 0 || !u.Writes() || value(p) != before {
		t.Fatalf("a read that has to store the estimate: %q, writes %v", u.Reply.Buf, u.Writes())
	}
	p.apply(0, u.Ops...)
	p.compare()
	after := value(p)
	if after == before {
		t.Fatal("the estimate isn't there")
	}
	u = &Unit{Ops: []Op{p.op("PFCOUNT", "k")}}
	if !read(p, u) || string(u.Reply.Buf) != one || u.Writes() {
		t.Fatalf("a read of a stored estimate: %q, writes %v", u.Reply.Buf, u.Writes())
	}

	// Beside a write it is part of the entry.
	p, _ = fresh()
	p.apply(0, p.op("SET", "other", "v"), p.op("PFCOUNT", "k"))
	if p.compare(); value(p) != after {
		t.Fatal("PFCOUNT beside a write didn't store the estimate")
	}

	// Within transactions too, but not behind a watch that can't be decided.
	for _, c := range []struct {
		watch  *Watch
		beside bool
		want   bool
	}{{nil, false, true}, {nil, true, true}, {&Watch{}, false, true}, {&Watch{}, true, false}} {
		p, before = fresh()
		u = &Unit{Ops: []Op{{Tx: []Op{p.op("PFCOUNT", "k")}, Watch: c.watch, Slot: -1}}}
		if c.beside {
			u.Ops = append(u.Ops, p.op("GET", "nokey"))
		}
		if good := read(p, u); good == c.want || u.Writes() != c.want {
			t.Fatalf("%+v: answered %v, writes %v", c, good, u.Writes())
		}
		if c.want {
			p.apply(0, u.Ops...)
		}
		if p.compare(); (value(p) == after) != c.want {
			t.Fatalf("%+v: stored: %v", c, !c.want)
		}
	}
}

// TestSortUnpacks makes sure that a SORT that only reads leaves a small sorted
// set in its large form on every replica, as redis-server does, and costs an
// entry only then.
func TestSortUnpacks(t *testing.T) {
	p := newPair(t, Options{})
	p.doWords("ZADD z 1 a 2 b")
	sort := &Unit{Ops: []Op{p.op("SORT", "z", "ALPHA")}, Reply: &resp.Writer{Proto: 2}}
	if p.leader.Read(sort, p.now, 1) || !sort.Writes() {
		t.Fatal("SORT of a small sorted set wasn't turned into a write")
	}
	p.doWords("SORT z ALPHA")
	if got := p.doWords("OBJECT ENCODING z"); got != "$8\r\nskiplist\r\n" {
		t.Errorf("encoding %q", got)
	}
	sort = &Unit{Ops: []Op{p.op("SORT", "z", "ALPHA")}, Reply: &resp.Writer{Proto: 2}}
	if !p.leader.Read(sort, p.now, 1) || string(sort.Reply.Buf) != "*2\r\n$1\r\na\r\n$1\r\nb\r\n" {
		t.Errorf("SORT of a large one: %q", sort.Reply.Buf)
	}
}
