package fsm

import "github.com/quorate/quorate/fsm/keyspace"

// zunionstore implements ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS
// weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>].
//
// Source: Redis 7.0 docs for ZUNIONSTORE. Reply: the size of the result, which
// replaces whatever the destination holds; an empty one deletes it.
func zunionstore(c *WriteCall) { c.storeCombination("zunionstore", zUnion) }

// zinterstore implements ZINTERSTORE, with the arguments of ZUNIONSTORE.
func zinterstore(c *WriteCall) { c.storeCombination("zinterstore", zInter) }

// zdiffstore implements ZDIFFSTORE destination numkeys key [key ...].
func zdiffstore(c *WriteCall) { c.storeCombination("zdiffstore", zDiff) }

func (c *WriteCall) storeCombination(name string, op zoperation) {
	z, ok := c.zcombination(name, 2, op, zStore, c.modify)
	if !ok {
		return
	}
	result := z.result()
	result.ConvertToListpackIfNeeded(c.Limits())
	c.storeZSet(c.Args[1], result, name)
}

// storeZSet puts z, which the keyspace takes over, under key and replies its
// size. Without members it is no key: the old one is deleted.
func (c *WriteCall) storeZSet(key []byte, z *keyspace.ZSet, event string) {
	switch {
	case z.Len() > 0:
		c.put(key, keyspace.NewZSetValue(z))
		c.changed('z', event, key)
	case c.remove(key):
		c.changed('g', "del", key)
	}
	c.Int(int64(z.Len()))
}
