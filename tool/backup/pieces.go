package backup

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/slots/hashslot"
)

// pieceBytes is about how many bytes a piece has: it is one entry of the log.
const pieceBytes = 256 << 10

// piece is part of a value: commands for a transaction. It can be sent again if it isn't
// known whether it has run, but for one that has length: that command then tells.
type piece struct {
	commands      [][][]byte
	length        string // LLEN, XLEN or ""
	before, after int64  // what it replies
}

// pieces passes on a value as pieces that build it under a key.
func pieces(key []byte, v *keyspace.Value, send func(p piece) error) error {
	p := &piecing{key: key, send: send}
	switch v.Kind() {
	case keyspace.KindString:
		p.text(v.Str(nil))
	case keyspace.KindList:
		p.length = "LLEN"
		v.List().Each(func(_ int, e []byte) bool { return p.add(1, "RPUSH", e) })
	case keyspace.KindSet:
		v.Set().Each(func(m []byte) bool { return p.add(1, "SADD", m) })
	case keyspace.KindHash:
		v.Hash().Each(func(f, e []byte) bool { return p.add(1, "HSET", f, e) })
	case keyspace.KindZSet:
		v.ZSet().Range(0, v.ZSet().Len(), false, func(m []byte, score float64) bool {
			return p.add(1, "ZADD", keyspace.AppendFloat(nil, score), m)
		})
	case keyspace.KindStream:
		p.stream(v.Stream())
	}
	p.flush()
	return p.err
}

// piecing collects commands until they are a piece.
type piecing struct {
	key     []byte
	send    func(p piece) error
	length  string
	sent    int64 // elements of the pieces before
	more    int64 // elements in commands
	size    int
	pending [][][]byte
	err     error
}

// add adds elements as arguments of a command: one command for many of them, but
// for XADD.
func (p *piecing) add(elements int64, name string, args ...[]byte) bool {
	if name == "XADD" || len(p.pending) == 0 {
		p.pending = append(p.pending, [][]byte{[]byte(name), p.key})
		p.size += len(p.key) + 64
	}
	last := &p.pending[len(p.pending)-1]
	for _, a := range args {
		*last = append(*last, bytes.Clone(a))
		p.size += len(a) + 16
	}
	if p.more += elements; p.size >= pieceBytes {
		p.flush()
	}
	return p.err == nil
}

// flush sends what was collected.
func (p *piecing) flush() {
	if len(p.pending) == 0 || p.err != nil {
		return
	}
	p.err = p.send(piece{p.pending, p.length, p.sent, p.sent + p.more})
	p.sent += p.more
	p.pending, p.more, p.size = nil, 0, 0
}

// text begins with the last byte, so that the server makes room for all of it at once.
func (p *piecing) text(b []byte) {
	last := max(0, len(b)-1)
	p.add(0, "SETRANGE", strconv.AppendInt(nil, int64(last), 10), b[last:])
	p.flush()
	for at := 0; at < len(b) && p.err == nil; at += pieceBytes {
		p.add(0, "SETRANGE", strconv.AppendInt(nil, int64(at), 10), b[at:min(len(b), at+pieceBytes)])
		p.flush()
	}
}

// command adds a command of words that may run twice.
func (p *piecing) command(words ...string) {
	args := make([][]byte, len(words))
	for i, w := range words {
		args[i] = []byte(w)
		p.size += len(w) + 16
	}
	if p.pending = append(p.pending, args); p.size >= pieceBytes {
		p.flush()
	}
}

// errPieces is of a stream with more than commands can build.
var errPieces = errors.New("a stream too large to be sent as a whole has no entries, or pending entries that were deleted, which no command can make")

func (p *piecing) stream(s *keyspace.Stream) {
	if s.Len() == 0 {
		p.err = errPieces
		return
	}
	p.length = "XLEN"
	s.Walk(keyspace.StreamID{}, keyspace.MaxStreamID, false, func(e *keyspace.StreamEntry) bool {
		args := [][]byte{[]byte(idText(e.ID))}
		e.Each(func(field, value []byte) { args = append(args, bytes.Clone(field), bytes.Clone(value)) })
		return p.add(1, "XADD", args...)
	})
	p.flush()
	p.length = ""
	k := string(p.key)
	p.command("XSETID", k, idText(s.LastID()), "ENTRIESADDED", strconv.FormatInt(s.Added(), 10), "MAXDELETEDID", idText(s.MaxDeletedID()))
	for _, g := range s.Groups() {
		p.flush()
		p.command("XGROUP", "DESTROY", k, g.Name())
		p.command("XGROUP", "CREATE", k, g.Name(), idText(g.LastID), "ENTRIESREAD", strconv.FormatInt(g.Read, 10))
		p.flush() // in one transaction with the line before
		for _, c := range g.Consumers() {
			p.command("XGROUP", "CREATECONSUMER", k, g.Name(), c.Name())
		}
		g.Each(keyspace.StreamID{}, keyspace.MaxStreamID, nil, func(id keyspace.StreamID, e *keyspace.StreamPending) bool {
			if !s.Has(id) {
				p.err = errPieces
			} else {
				p.command("XCLAIM", k, g.Name(), e.Consumer().Name(), "0", idText(id), "TIME", strconv.FormatInt(e.Time, 10),
					"RETRYCOUNT", strconv.FormatInt(e.Count, 10), "FORCE", "JUSTID")
			}
			return p.err == nil
		})
	}
}

func idText(id keyspace.StreamID) string { return fmt.Sprintf("%d-%d", id.MS, id.Seq) }

// asideOf returns a new key in a slot.
func asideOf(slot int) []byte {
	prefix := fmt.Appendf(nil, "quorate-restore:%x:", rand.Uint64())
	for n := int64(0); ; n++ {
		if key := strconv.AppendInt(prefix[:len(prefix):len(prefix)], n, 36); int(hashslot.Of(key)) == slot {
			return key
		}
	}
}
