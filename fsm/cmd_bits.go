package fsm

import (
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/keyspace"
)

// bitCommands are the commands on strings as bitmaps. Bit 0 is the highest of
// the first byte.
var bitCommands = []*Command{
	{Write: setbit, Spec: command.Spec{
		Name: "SETBIT", Arity: 4, Flags: command.Write | command.DenyOOM, ACL: command.Bitmap,
		Keys:  command.FirstArg(command.KeyRW | command.KeyAccess | command.KeyUpdate),
		Group: "bitmap", Since: "2.2.0", Complexity: "O(1)",
		Syntax:  "key offset value",
		Summary: "Sets or clears one bit of the string at a key, which grows as needed, and returns what it was.",
	}},
	{Read: getbit, Spec: command.Spec{
		Name: "GETBIT", Arity: 3, Flags: command.ReadOnly | command.Fast, ACL: command.Bitmap,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "bitmap", Since: "2.2.0", Complexity: "O(1)",
		Syntax:  "key offset",
		Summary: "Returns one bit of the string at a key.",
	}},
	{Read: bitcount, Spec: command.Spec{
		Name: "BITCOUNT", Arity: -2, Flags: command.ReadOnly, ACL: command.Bitmap,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "bitmap", Since: "2.6.0", Complexity: "O(N) where N is the length of the range",
		Syntax:  "key [start end [BYTE | BIT]]",
		Summary: "Counts the bits that are set in the string at a key, or in a range of it.",
	}},
	{Read: bitpos, Spec: command.Spec{
		Name: "BITPOS", Arity: -3, Flags: command.ReadOnly, ACL: command.Bitmap,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "bitmap", Since: "2.8.7", Complexity: "O(N) where N is the length of the range",
		Syntax:  "key bit [start [end [BYTE | BIT]]]",
		Summary: "Finds the first bit that is set, or the first that isn't, in the string at a key or in a range of it.",
	}},
	{Write: bitop, Spec: command.Spec{
		Name: "BITOP", Arity: -4, Flags: command.Write | command.DenyOOM, ACL: command.Bitmap,
		Keys: []command.KeySpec{
			{Flags: command.KeyOW | command.KeyUpdate, Pos: 2, Step: 1},
			{Flags: command.KeyRO | command.KeyAccess, Pos: 3, Last: -1, Step: 1},
		},
		Group: "bitmap", Since: "2.6.0", Complexity: "O(N) where N is the length of all strings together",
		Syntax:  "operation destkey key [key ...]",
		Summary: "Combines strings bit by bit with AND, OR, XOR or NOT and stores the result at a key.",
	}},
	{Write: bitfield, Reading: readingBitfield, Spec: command.Spec{
		Name: "BITFIELD", Arity: -2, Flags: command.Write | command.DenyOOM, ACL: command.Bitmap,
		Keys: []command.KeySpec{
			{Flags: command.KeyRW | command.KeyAccess | command.KeyUpdate | command.KeyVariableFlags, Notes: "what happens depends on the subcommands", Pos: 1, Step: 1},
		},
		Group: "bitmap", Since: "3.2.0", Complexity: "O(1) for each subcommand",
		Syntax:  "key [GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] <SET encoding offset value | INCRBY encoding offset increment> ...]",
		Summary: "Reads, sets and increments integers of any width within the string at a key.",
	}},
	{Read: bitfieldRO, Spec: command.Spec{
		Name: "BITFIELD_RO", Arity: -2, Flags: command.ReadOnly | command.Fast, ACL: command.Bitmap,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "bitmap", Since: "6.0.0", Complexity: "O(1) for each subcommand",
		Syntax:  "key [GET encoding offset [GET encoding offset ...]]",
		Summary: "Reads integers of any width within the string at a key.",
	}},
}

// bitOffset parses argument i as the offset of a bit. If bits isn't 0, it can be
// "#n", which means n integers of so many bits. The product isn't checked for
// overflow, as in Redis: it wraps, and what comes out counts.
func (c *ReadCall) bitOffset(i int, bits int64) (int64, bool) {
	arg := c.Args[i]
	unit := int64(1)
	if bits > 0 && len(arg) > 0 && arg[0] == '#' {
		arg, unit = arg[1:], bits
	}
	n, ok := keyspace.ParseInt(arg)
	n *= unit
	if !ok || n < 0 || n>>3 >= min(int64(c.Limits().ProtoMaxBulkLen), keyspace.MaxString) {
		c.Error(errBitOffset)
		return 0, false
	}
	return n, true
}

// room returns the bytes of the string at key, ready to be changed, with room up
// to the bit given, and whether it was created or became longer for that. It
// returns nil after it has written WRONGTYPE.
func (c *WriteCall) room(key []byte, bit int64) (s []byte, grew bool) {
	e, ok := c.modifyKind(key, keyspace.KindString)
	if !ok {
		return nil, false
	}
	size := int(bit>>3) + 1
	if e == nil {
		c.put(key, keyspace.NewOwnedString(make([]byte, size)))
		e = c.modify(key)
		return e.Raw(0), true
	}
	grew = e.StrLen() < size
	return e.Raw(size), grew
}

// setbit implements SETBIT key offset value. Reply: the bit that was there.
//
// Source: Redis 7.0 docs for SETBIT. A bit that stays the same in a string that
// stays as long is no change.
func setbit(c *WriteCall) {
	key := c.Args[1]
	offset, ok := c.bitOffset(2, 0)
	if !ok {
		return
	}
	on, ok := keyspace.ParseInt(c.Args[3])
	if !ok || on != 0 && on != 1 {
		c.Error(errBit)
		return
	}
	s, grew := c.room(key, offset)
	if s == nil {
		return
	}
	b, shift := &s[offset>>3], 7-offset&7
	old := int64(*b >> shift & 1)
	if grew || old != on {
		*b = *b&^(1<<shift) | byte(on)<<shift
		c.changed('$', "setbit", key)
	}
	c.Int(old)
}

// getbit implements GETBIT key offset. Bits behind the end are 0.
func getbit(c *ReadCall) {
	offset, ok := c.bitOffset(2, 0)
	if !ok {
		return
	}
	e, ok := c.findKind(c.Args[1], keyspace.KindString)
	if !ok {
		return
	}
	if e != nil {
		var buf [20]byte
		if s := e.Str(buf[:]); offset>>3 < int64(len(s)) {
			c.Int(int64(s[offset>>3] >> (7 - offset&7) & 1))
			return
		}
	}
	c.Int(0)
}
