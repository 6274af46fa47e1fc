package backup

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A large value is put together under a key of its own in the slot of its key, and
// renamed: others see it as a whole or not at all. The key aside is deleted when that
// fails, and expires if that fails, too.

// keepAside is how long after its last piece a value that wasn't completed stays.
const keepAside = time.Hour

// building is a large value on its way.
type building struct {
	w     *worker
	it    *item
	aside []byte
}

// large restores a value in pieces. busy: the key is there already, and stays.
func (w *worker) large(ctx context.Context, it *item, replace bool) (busy bool, err error) {
	b := &building{w: w, it: it, aside: asideOf(it.slot)}
	if !replace {
		err := b.try(ctx, func(c *conn, _ bool) error {
			r, err := c.do("EXISTS", string(it.key))
			busy = r.n != 0
			return err
		})
		if busy || err != nil {
			return busy, err
		}
	}
	defer func() {
		if busy || err != nil {
			b.discard(ctx)
		}
	}()
	if err := pieces(b.aside, &it.value, func(p piece) error { return b.add(ctx, p) }); err != nil {
		return false, err
	}
	return b.rename(ctx, replace)
}

// add sends a piece.
func (b *building) add(ctx context.Context, p piece) error {
	p.commands = append(p.commands, [][]byte{[]byte("PEXPIRE"), b.aside, strconv.AppendInt(nil, keepAside.Milliseconds(), 10)})
	return b.try(ctx, func(c *conn, unsure bool) error {
		if unsure && p.length != "" {
			r, err := c.do(p.length, string(b.aside))
			if err != nil || r.n == p.after {
				return err
			}
			if r.n != p.before {
				return fmt.Errorf("the key that is put together has %d elements in place of %d or %d", r.n, p.before, p.after)
			}
		}
		_, err := c.transaction(p.commands...)
		return err
	})
}

// rename puts the value in its place.
func (b *building) rename(ctx context.Context, replace bool) (busy bool, err error) {
	expiry := [][]byte{[]byte("PERSIST"), b.aside}
	if b.it.at != 0 {
		expiry = [][]byte{[]byte("PEXPIREAT"), b.aside, strconv.AppendInt(nil, b.it.at, 10)}
	}
	rename := [][]byte{[]byte("RENAMENX"), b.aside, b.it.key}
	if replace {
		rename[0] = []byte("RENAME")
	}
	err = b.try(ctx, func(c *conn, unsure bool) error {
		r, err := c.transaction(expiry, rename)
		var refused refusal
		if errors.As(err, &refused) && strings.Contains(refused.text, "no such key") {
			if b.it.expired() {
				return nil // at once
			}
			if unsure { // it was renamed, if nobody has deleted it
				same, err := c.holds(b.it)
				if err == nil && !same {
					err = refused
				}
				return err
			}
		}
		busy = err == nil && !replace && r.elems[1].n == 0
		return err
	})
	return busy, err
}

// try does something where the slot is, again where that has moved or can't be had at the
// moment. unsure: it may have been done.
func (b *building) try(ctx context.Context, do func(c *conn, unsure bool) error) error {
	unsure := false
	for since := time.Now(); ; {
		at := b.w.d.top.of(b.it.slot)
		err := b.on(ctx, at, func(c *conn) error { return do(c, unsure) })
		if err == nil {
			return nil
		}
		next, elsewhere := moved(err)
		if elsewhere {
			b.w.d.top.tell(b.it.slot, next)
		} else if !isPassing(err) || ctx.Err() != nil {
			return err
		}
		unsure = unsure || isUncertain(err) || !isRefusal(err)
		if !again(ctx, since, patience) {
			return err
		}
		if !elsewhere {
			_ = b.w.d.top.refresh(ctx) // what fails is tried again
		}
	}
}

// on does something on a server, in the database of the key.
func (b *building) on(ctx context.Context, at string, do func(c *conn) error) error {
	c, err := b.w.conn(ctx, at)
	if err == nil && b.it.db != c.db {
		if _, err = c.do("SELECT", strconv.Itoa(b.it.db)); err == nil {
			c.db = b.it.db
		}
	}
	if err == nil {
		err = do(c)
	}
	if err != nil && !isRefusal(err) {
		b.w.drop(at)
	}
	return err
}

// discard tries to delete what was put together, also where the restore is to end.
func (b *building) discard(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	left := &building{w: &worker{d: b.w.d, conns: map[string]*conn{}}, it: b.it}
	defer left.w.close()
	_ = left.try(ctx, func(c *conn, _ bool) error {
		_, err := c.do("UNLINK", string(b.aside))
		return err
	})
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
		if one != nil && !isRefusal(one) {
			return last, one
		}
		if err == nil {
			err = one
		}
	}
	return last, err
}
