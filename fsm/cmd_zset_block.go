package fsm

import (
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/keyspace"
)

// zsetBlockingCommands are the commands on sorted sets that wait for members:
// see listBlockingCommands.
var zsetBlockingCommands = []*Command{
	{Write: bzpopmin, Wait: bzpopWait, Spec: command.Spec{
		Name: "BZPOPMIN", Arity: -3, Flags: command.Write | command.NoScript | command.Blocking | command.Fast, ACL: command.SortedSet,
		Keys:  allButLast,
		Group: "sorted-set", Since: "5.0.0", Complexity: "O(log(N)) where N is the size of the sorted set",
		Syntax:  "key [key ...] timeout",
		Summary: "Removes the member with the lowest score from the first of several sorted sets that has any, and waits until one has.",
	}},
	{Write: bzpopmax, Wait: bzpopWait, Spec: command.Spec{
		Name: "BZPOPMAX", Arity: -3, Flags: command.Write | command.NoScript | command.Blocking | command.Fast, ACL: command.SortedSet,
		Keys:  allButLast,
		Group: "sorted-set", Since: "5.0.0", Complexity: "O(log(N)) where N is the size of the sorted set",
		Syntax:  "key [key ...] timeout",
		Summary: "Removes the member with the highest score from the first of several sorted sets that has any, and waits until one has.",
	}},
	{Write: bzmpop, Wait: bzmpopWait, Spec: command.Spec{
		Name: "BZMPOP", Arity: -5, Flags: command.Write | command.Blocking | command.MovableKeys, ACL: command.SortedSet,
		Keys: []command.KeySpec{{Flags: command.KeyRW | command.KeyAccess | command.KeyDelete,
			Pos: 2, NumKeys: true, NumPos: 0, FirstKey: 1, Step: 1}},
		Group: "sorted-set", Since: "7.0.0", Complexity: "O(K+M*log(N)) where K is the number of keys, N the size of the sorted set and M the number of members removed",
		Syntax:  "timeout numkeys key [key ...] <MIN | MAX> [COUNT count]",
		Summary: "Removes members from the first of several sorted sets that is not empty, and waits until one isn't.",
	}},
}

func bzpopWait(c *ReadCall) (Wait, bool) { return c.popWait(keyspace.KindZSet) }

// bzpopmin implements BZPOPMIN key [key ...] timeout.
func bzpopmin(c *WriteCall) { c.blockingPopOne(false) }

// bzpopmax implements BZPOPMAX key [key ...] timeout.
func bzpopmax(c *WriteCall) { c.blockingPopOne(true) }

// blockingPopOne is what the two have in common.
//
// Source: Redis 7.0 docs for BZPOPMIN. Reply: the key, the member and its
// score, or a null array.
func (c *WriteCall) blockingPopOne(highest bool) {
	w, ok := c.popWait(keyspace.KindZSet)
	if !ok {
		return
	}
	for _, key := range w.Keys {
		z, ok := c.modifyZSet(key)
		if !ok {
			return
		}
		if z != nil {
			c.Array(3)
			c.Bulk(key)
			c.popMembers(key, z, 1, highest, false)
			c.propagate(zpopName(highest), key)
			return
		}
	}
	if !c.wait(w) {
		c.NullArray()
	}
}

func bzmpopWait(c *ReadCall) (Wait, bool) {
	p, ok := c.manyZPopArgs(2)
	if !ok {
		return Wait{}, false
	}
	timeout, ok := c.timeoutArg(1)
	return Wait{Kind: keyspace.KindZSet, Keys: p.keys, Timeout: timeout, Only: manyPopOnly}, ok
}

// bzmpop implements BZMPOP timeout numkeys key [key ...] MIN|MAX [COUNT count].
//
// Source: Redis 7.0 docs for BZMPOP. Reply: as ZMPOP.
func bzmpop(c *WriteCall) {
	w, ok := bzmpopWait(&c.ReadCall)
	if !ok {
		return
	}
	p, _ := c.manyZPopArgs(2)
	if found := c.zpopFirst(p); !found && !c.wait(w) {
		c.NullArray()
	}
}
