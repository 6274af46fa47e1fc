package fsm

import (
	"bytes"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/slots/hashslot"
)

// rename implements RENAME key newkey. The expiry goes with the value.
//
// Source: Redis 7.0 docs for RENAME. Reply: OK, or an error if key is missing.
func rename(c *WriteCall) {
	if c.renameKey(false) {
		c.OK()
	}
}

// renamenx implements RENAMENX key newkey. Reply: 1 if it was renamed, 0 if
// newkey exists, or an error if key is missing.
func renamenx(c *WriteCall) {
	if c.renameKey(true) {
		c.Int(1)
	}
}

// renameKey renames and reports true, or replies why not (which for RENAME
// includes the OK for a key that has the name already).
func (c *WriteCall) renameKey(keep bool) bool {
	from, to := c.Args[1], c.Args[2]
	e := c.modify(from)
	switch {
	case e == nil:
		c.Error(errNoSuchKey)
		return false
	case bytes.Equal(from, to) && keep:
		c.Int(0)
		return false
	case bytes.Equal(from, to):
		return true
	}
	v, at := e.Value, e.ExpireAt()
	if old := c.modify(to); old != nil {
		if keep {
			c.Int(0)
			return false
		}
		c.m.ks.Delete(c.DB, hashslot.Of(to), to)
	}
	c.create(c.DB, to, v, at)
	c.m.ks.Delete(c.DB, hashslot.Of(from), from)
	c.modified(from)
	c.modified(to)
	c.also(-1)
	c.notify('g', "rename_from", from)
	c.notify('g', "rename_to", to)
	return true
}

// create puts a value and its expiry (0: none) under a key of a database that
// doesn't exist.
func (c *WriteCall) create(db int, key []byte, v keyspace.Value, at int64) {
	c.store(db, key, v, false)
	if at != 0 {
		c.m.ks.SetExpire(db, hashslot.Of(key), key, at)
	}
}

// copyKey implements COPY source destination [DB destination-db] [REPLACE].
//
// Source: Redis 7.0 docs for COPY. Reply: 1 if it was copied, 0 if source is
// missing or destination exists.
func copyKey(c *WriteCall) {
	from, to := c.Args[1], c.Args[2]
	db, replace := c.DB, false
	for i := 3; i < len(c.Args); i++ {
		switch a := c.Args[i]; {
		case isWord(a, "REPLACE"):
			replace = true
		case isWord(a, "DB") && i+1 < len(c.Args):
			i++
			var ok bool
			if db, ok = c.dbArg(i); !ok {
				return
			}
		default:
			c.Error(errSyntax)
			return
		}
	}
	if c.clustered() && (c.DB != 0 || db != 0) {
		c.Error(errCopyCluster)
		return
	}
	if db == c.DB && bytes.Equal(from, to) {
		c.Error(errSameObject)
		return
	}
	e := c.visit(c.DB, hashslot.Of(from), from)
	if e == nil {
		c.misses++
		c.Int(0)
		return
	}
	c.hits++
	slot := hashslot.Of(to)
	old := c.modifyIn(db, slot, to)
	if old != nil && !replace {
		c.Int(0)
		return
	}
	// An expired key that was in the way is gone: entries may lie elsewhere.
	e = c.m.ks.DB(c.DB).Find(hashslot.Of(from), from)
	v, at := e.Clone(), e.ExpireAt()
	if old != nil {
		c.m.ks.Replace(db, slot, old, v)
	} else {
		c.m.ks.Add(db, slot, to, v)
	}
	c.m.notify('n', "new", db, to)
	if at != 0 {
		c.m.ks.SetExpire(db, slot, to, at)
	}
	c.m.modified(db, to)
	c.m.notify('g', "copy_to", db, to)
	c.Int(1)
}

// move implements MOVE key db. Reply: 1 if it was moved, 0 if it is missing here
// or exists there.
func move(c *WriteCall) {
	key := c.Args[1]
	if c.clustered() {
		c.Error(errMoveCluster)
		return
	}
	db, ok := c.dbArg(2)
	if !ok {
		return
	}
	if db == c.DB {
		c.Error(errSameObject)
		return
	}
	slot := hashslot.Of(key)
	e := c.modify(key)
	if e == nil {
		c.Int(0)
		return
	}
	v, at := e.Value, e.ExpireAt()
	if c.modifyIn(db, slot, key) != nil {
		c.Int(0)
		return
	}
	c.create(db, key, v, at)
	c.m.ks.Delete(c.DB, slot, key)
	c.modified(key)
	c.m.modified(db, key)
	c.also(-1)
	c.notify('g', "move_from", key)
	c.m.notify('g', "move_to", db, key)
	c.Int(1)
}
