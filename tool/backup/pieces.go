package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/slots/hashslot"
)

const (
	pieceBytes = 1 << 20
	// keepAside is how long a value that wasn't completed stays on the server.
	keepAside = time.Hour
)

// pieces sends a value as commands of about a piece each that build it under a key.
func pieces(key []byte, v *keyspace.Value, send func(args ...[]byte) error) (err error) {
	p := &piecing{send: send}
	switch v.Kind() {
	case keyspace.KindString:
		p.begin("APPEND", key)
		b := v.Str(nil)
		for len(b) > 0 && p.err == nil {
			n := min(len(b), pieceBytes)
			p.add(b[:n])
			p.flush()
			b = b[n:]
		}
	case keyspace.KindList:
		p.begin("RPUSH", key)
		v.List().Each(func(_ int, e []byte) bool { return p.add(e) })
	case keyspace.KindSet:
		p.begin("SADD", key)
		v.Set().Each(func(m []byte) bool { return p.add(m) })
	case keyspace.KindHash:
		p.begin("HSET", key)
		v.Hash().Each(func(f, e []byte) bool { return p.add(f, e) })
	case keyspace.KindZSet:
		p.begin("ZADD", key)
		v.ZSet().Range(0, v.ZSet().Len(), false, func(m []byte, score float64) bool {
			return p.add(keyspace.AppendFloat(nil, score), m)
		})
	case keyspace.KindStream:
		return streamPieces(key, v.Stream(), send)
	}
	p.flush()
	return p.err
}

// piecing collects arguments until they are a piece.
type piecing struct {
	send  func(args ...[]byte) error
	args  [][]byte
	fixed int
	size  int
	err   error
}

func (p *piecing) begin(command string, key []byte) {
	p.args = [][]byte{[]byte(command), key}
	p.fixed = len(p.args)
}

func (p *piecing) add(args ...[]byte) bool {
	for _, a := range args {
		p.args = append(p.args, bytes.Clone(a))
		p.size += len(a) + 16
	}
	if p.size >= pieceBytes {
		p.flush()
	}
	return p.err == nil
}

func (p *piecing) flush() {
	if len(p.args) > p.fixed && p.err == nil {
		p.err = p.send(p.args...)
	}
	p.args, p.size = p.args[:p.fixed], 0
}

// errPieces is of a stream with more than commands can build.
var errPieces = errors.New("a stream too large to be sent as a whole has pending entries that were deleted, which no command can make")

// streamPieces is pieces for a stream.
func streamPieces(key []byte, s *keyspace.Stream, send func(args ...[]byte) error) (err error) {
	words := func(words ...string) {
		if err != nil {
			return
		}
		args := make([][]byte, len(words))
		for i, w := range words {
			args[i] = []byte(w)
		}
		err = send(args...)
	}
	k := string(key)
	s.Walk(keyspace.StreamID{}, keyspace.MaxStreamID, false, func(e *keyspace.StreamEntry) bool {
		args := [][]byte{[]byte("XADD"), key, []byte(idText(e.ID))}
		e.Each(func(field, value []byte) { args = append(args, bytes.Clone(field), bytes.Clone(value)) })
		err = send(args...)
		return err == nil
	})
	words("XSETID", k, idText(s.LastID()), "ENTRIESADDED", strconv.FormatInt(s.Added(), 10), "MAXDELETEDID", idText(s.MaxDeletedID()))
	for _, g := range s.Groups() {
		words("XGROUP", "CREATE", k, g.Name(), idText(g.LastID), "ENTRIESREAD", strconv.FormatInt(g.Read, 10))
		for _, c := range g.Consumers() {
			words("XGROUP", "CREATECONSUMER", k, g.Name(), c.Name())
		}
		g.Each(keyspace.StreamID{}, keyspace.MaxStreamID, nil, func(id keyspace.StreamID, p *keyspace.StreamPending) bool {
			if !s.Has(id) {
				err = errPieces
				return false
			}
			words("XCLAIM", k, g.Name(), p.Consumer().Name(), "0", idText(id), "TIME", strconv.FormatInt(p.Time, 10),
				"RETRYCOUNT", strconv.FormatInt(p.Count, 10), "FORCE", "JUSTID")
			return err == nil
		})
	}
	return err
}

func idText(id keyspace.StreamID) string { return fmt.Sprintf("%d-%d", id.MS, id.Seq) }

// asideOf returns a key in the slot of another.
func asideOf(slot int) []byte {
	prefix := fmt.Appendf(nil, "quorate-restore:%x:", rand.Uint64())
	for n := int64(0); ; n++ {
		if key := strconv.AppendInt(prefix[:len(prefix):len(prefix)], n, 36); int(hashslot.Of(key)) == slot {
			return key
		}
	}
}

// large restores a value in pieces: they are put together under another key of the
// same slot, which expires if it is left behind, and that is renamed. busy: the key is there already.
func (w *worker) large(ctx context.Context, it *item, replace bool) (busy bool, err error) {
	since, told := time.Now(), 0
	for {
		at := w.d.top.of(it.slot)
		var sent int
		if busy, sent, err = w.tryLarge(ctx, at, it, replace); err == nil {
			return busy, nil
		}
		w.drop(at)
		if sent > told { // it comes further than before
			since, told = time.Now(), sent
		}
		next, elsewhere := moved(err)
		if elsewhere {
			w.d.top.tell(it.slot, next)
		} else if !isPassing(err) || ctx.Err() != nil {
			return false, err
		}
		if !again(ctx, since, patience) {
			return false, err
		}
		if !elsewhere {
			_ = w.d.top.refresh(ctx)
		}
	}
}

func (w *worker) tryLarge(ctx context.Context, at string, it *item, replace bool) (busy bool, sent int, err error) {
	c, err := w.conn(ctx, at)
	if err != nil {
		return false, 0, err
	}
	if it.db != c.db {
		if _, err := c.do("SELECT", strconv.Itoa(it.db)); err != nil {
			return false, 0, err
		}
		c.db = it.db
	}
	if !replace {
		if r, err := c.do("EXISTS", string(it.key)); err != nil || r.n != 0 && !it.unsure {
			return r.n != 0, 0, err
		} else if r.n != 0 {
			same, err := c.holds(it)
			return !same, 0, err
		}
	}
	aside := asideOf(it.slot)
	defer func() {
		if err != nil {
			w.unlink(ctx, at, it.db, aside)
		}
	}()
	err = pieces(aside, &it.value, func(args ...[]byte) error {
		if sent++; sent > 1 {
			c.send(args...)
			if err := c.flush(); err != nil {
				return err
			}
			_, err := c.receive()
			return err
		}
		_, err := c.transaction(args, [][]byte{[]byte("PEXPIRE"), aside, strconv.AppendInt(nil, keepAside.Milliseconds(), 10)})
		return err
	})
	if err != nil {
		return false, sent, err
	}
	expiry := [][]byte{[]byte("PERSIST"), aside}
	if it.at != 0 {
		expiry = [][]byte{[]byte("PEXPIREAT"), aside, strconv.AppendInt(nil, it.at, 10)}
	}
	rename := [][]byte{[]byte("RENAMENX"), aside, it.key}
	if replace {
		rename[0] = []byte("RENAME")
	}
	r, err := c.transaction(expiry, rename)
	it.unsure = it.unsure || isPassing(err)
	if err != nil && it.at != 0 && it.at <= time.Now().UnixMilli() {
		return false, sent, nil // it expired at once
	}
	if err == nil && !replace && r.elems[1].n == 0 {
		w.unlink(ctx, at, it.db, aside)
		busy = true
	}
	return busy, sent, err
}

// unlink tries to delete a key that was left behind. If that fails it expires.
func (w *worker) unlink(ctx context.Context, at string, db int, key []byte) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	c, err := w.d.top.access.dial(ctx, at)
	if err != nil {
		return
	}
	defer c.close()
	if db != 0 {
		c.sendWords("SELECT", strconv.Itoa(db))
	}
	_, _ = c.do("UNLINK", string(key))
	if db != 0 {
		_, _ = c.receive()
	}
}

// transaction runs commands between MULTI and EXEC and returns the reply of that, or
// the first error.
func (c *conn) transaction(commands ...[][]byte) (last reply, err error) {
	c.sendWords("MULTI")
	for _, command := range commands {
		c.send(command...)
	}
	c.sendWords("EXEC")
	if err := c.flush(); err != nil {
		return last, err
	}
	for range len(commands) + 2 {
		var one error
		last, one = c.receive()
		if err == nil || !isRefusal(err) {
			err = one
		}
		if one != nil && !isRefusal(one) {
			return last, one
		}
	}
	return last, err
}
