package fsm

import (
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/keyspace"
)

// listBlockingCommands are the commands on lists that wait for elements. What
// is logged is the command itself: on every replica it takes what there is when
// its place in the log has come, and nothing if there is nothing. That it waits
// then is the affair of the node that leads: see wait.go.
var listBlockingCommands = []*Command{
	{Write: blpop, Wait: blpopWait, Spec: command.Spec{
		Name: "BLPOP", Arity: -3, Flags: command.Write | command.NoScript | command.Blocking, ACL: command.List,
		Keys:  allButLast,
		Group: "list", Since: "2.0.0", Complexity: "O(N) where N is the number of keys",
		Syntax:  "key [key ...] timeout",
		Summary: "Takes the first element of the first of several lists that has any, and waits until one has.",
	}},
	{Write: brpop, Wait: blpopWait, Spec: command.Spec{
		Name: "BRPOP", Arity: -3, Flags: command.Write | command.NoScript | command.Blocking, ACL: command.List,
		Keys:  allButLast,
		Group: "list", Since: "2.0.0", Complexity: "O(N) where N is the number of keys",
		Syntax:  "key [key ...] timeout",
		Summary: "Takes the last element of the first of several lists that has any, and waits until one has.",
	}},
	{Write: brpoplpush, Wait: brpoplpushWait, Spec: command.Spec{
		Name: "BRPOPLPUSH", Arity: 4, Flags: command.Write | command.DenyOOM | command.NoScript | command.Blocking, ACL: command.List,
		Keys:  moveKeys,
		Group: "list", Since: "2.2.0", Complexity: "O(1)",
		Syntax:  "source destination timeout",
		Summary: "Moves the last element of a list to the front of another and returns it; it waits until there is one. BLMOVE replaces it.",
	}},
	{Write: blmove, Wait: blmoveWait, Spec: command.Spec{
		Name: "BLMOVE", Arity: 6, Flags: command.Write | command.DenyOOM | command.NoScript | command.Blocking, ACL: command.List,
		Keys:  moveKeys,
		Group: "list", Since: "6.2.0", Complexity: "O(1)",
		Syntax:  "source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout",
		Summary: "Moves an element from one end of a list to one end of another and returns it; it waits until there is one.",
	}},
	{Write: blmpop, Wait: blmpopWait, Spec: command.Spec{
		Name: "BLMPOP", Arity: -5, Flags: command.Write | command.Blocking | command.MovableKeys, ACL: command.List,
		Keys: []command.KeySpec{{Flags: command.KeyRW | command.KeyAccess | command.KeyDelete,
			Pos: 2, NumKeys: true, NumPos: 0, FirstKey: 1, Step: 1}},
		Group: "list", Since: "7.0.0", Complexity: "O(N+M) where N is the number of keys and M that of the elements returned",
		Syntax:  "timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
		Summary: "Takes elements from one end of the first of several lists that has any, and waits until one has.",
	}},
}

// allButLast are the keys of commands whose last argument is a timeout.
var allButLast = []command.KeySpec{{Flags: command.KeyRW | command.KeyAccess | command.KeyDelete, Pos: 1, Last: -2, Step: 1}}

// timeoutArg parses argument i as seconds with a fraction, rounded up to ms, or
// writes the error. What doesn't fit into 64 bits counts as negative, as in
// Redis 7.0.15, where the conversion overflows.
func (c *ReadCall) timeoutArg(i int) (ms int64, ok bool) {
	x, ok := keyspace.ParseExtended(c.Args[i])
	if !ok {
		c.Error(errTimeout)
		return 0, false
	}
	ms, fits := x.Thousandfold()
	if !fits || ms < 0 {
		c.Error(errTimeoutNegative)
		return 0, false
	}
	return ms, true
}

func blpopWait(c *ReadCall) (Wait, bool) { return c.popWait(keyspace.KindList) }

// popWait is what BLPOP and its like wait for.
func (c *ReadCall) popWait(kind keyspace.Kind) (Wait, bool) {
	last := len(c.Args) - 1
	timeout, ok := c.timeoutArg(last)
	return Wait{Kind: kind, Keys: c.Args[1:last], Timeout: timeout, Only: popOnly}, ok
}

func popOnly(args [][]byte, key []byte) [][]byte { return [][]byte{args[0], key, args[len(args)-1]} }

// blpop implements BLPOP key [key ...] timeout.
func blpop(c *WriteCall) { c.blockingPop(leftEnd) }

// brpop implements BRPOP key [key ...] timeout.
func brpop(c *WriteCall) { c.blockingPop(rightEnd) }

// blockingPop is what the two have in common.
//
// Source: Redis 7.0 docs for BLPOP. Reply: the key and the element, or a null
// array. A key of another type is an error, unless a list stands before it.
func (c *WriteCall) blockingPop(end listEnd) {
	w, ok := c.popWait(keyspace.KindList)
	if !ok {
		return
	}
	for _, key := range w.Keys {
		l, ok := c.modifyList(key)
		if !ok {
			return
		}
		if l != nil {
			var buf [64]byte
			c.Array(2)
			c.Bulk(key)
			c.Bulk(end.pop(l, buf[:0]))
			c.shrunk('l', end.popEvent(), key, l.Len())
			c.propagate(end.popName(), key)
			return
		}
	}
	if !c.wait(w) {
		c.NullArray()
	}
}

func brpoplpushWait(c *ReadCall) (Wait, bool) { return c.moveWait(3) }

func blmoveWait(c *ReadCall) (Wait, bool) {
	if _, ok := c.endArg(3); !ok {
		return Wait{}, false
	}
	if _, ok := c.endArg(4); !ok {
		return Wait{}, false
	}
	return c.moveWait(5)
}

func (c *ReadCall) moveWait(timeoutAt int) (Wait, bool) {
	timeout, ok := c.timeoutArg(timeoutAt)
	return Wait{Kind: keyspace.KindList, Keys: c.Args[1:2], Timeout: timeout}, ok
}

// brpoplpush implements BRPOPLPUSH source destination timeout.
func brpoplpush(c *WriteCall) {
	if w, ok := brpoplpushWait(&c.ReadCall); ok {
		c.blockingMove(w, rightEnd, leftEnd)
	}
}

// blmove implements BLMOVE source destination LEFT|RIGHT LEFT|RIGHT timeout.
func blmove(c *WriteCall) {
	w, ok := blmoveWait(&c.ReadCall)
	if !ok {
		return
	}
	from, _ := c.endArg(3)
	to, _ := c.endArg(4)
	c.blockingMove(w, from, to)
}

// blockingMove is what the two have in common.
//
// Source: Redis 7.0 docs for BLMOVE. What the destination holds matters only
// when there is an element to move. Reply: as LMOVE.
func (c *WriteCall) blockingMove(w Wait, from, to listEnd) {
	if src, ok := c.modifyList(c.Args[1]); !ok || src == nil && c.wait(w) {
		return
	}
	if !c.moveElement(from, to) {
		return
	}
	if len(c.Args) == 4 {
		c.propagate([]byte("RPOPLPUSH"), c.Args[1], c.Args[2])
	} else {
		c.propagate([]byte("LMOVE"), c.Args[1], c.Args[2], c.Args[3], c.Args[4])
	}
}

func blmpopWait(c *ReadCall) (Wait, bool) {
	p, ok := c.manyPopArgs(2)
	if !ok {
		return Wait{}, false
	}
	timeout, ok := c.timeoutArg(1)
	return Wait{Kind: keyspace.KindList, Keys: p.keys, Timeout: timeout, Only: manyPopOnly}, ok
}

// manyPopOnly leaves one key of BLMPOP or BZMPOP.
func manyPopOnly(args [][]byte, key []byte) [][]byte {
	n, _ := keyspace.ParseInt(args[2]) // parsed before
	return append([][]byte{args[0], args[1], []byte("1"), key}, args[3+n:]...)
}

// blmpop implements BLMPOP timeout numkeys key [key ...] LEFT|RIGHT [COUNT count].
//
// Source: Redis 7.0 docs for BLMPOP. Reply: as LMPOP.
func blmpop(c *WriteCall) {
	w, ok := blmpopWait(&c.ReadCall)
	if !ok {
		return
	}
	p, _ := c.manyPopArgs(2)
	if found := c.popFirst(p); !found && !c.wait(w) {
		c.NullArray()
	}
}
