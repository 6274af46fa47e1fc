package fsm

import "github.com/quorate/quorate/fsm/keyspace"

// fieldOp is one step of BITFIELD.
type fieldOp struct {
	what     byte // 'g'et, 's'et or 'i'ncrby
	overflow overflow
	kind     intType
	at       int64 // bit
	value    int64 // of SET and INCRBY
}

// fieldOps parses the steps of BITFIELD and returns the last bit that they write
// to, -1 if they only read. It reports false after it has written an error.
func (c *ReadCall) fieldOps() (ops []fieldOp, last int64, ok bool) {
	last = -1
	o := overflowWrap
	for i := 2; i < len(c.Args); {
		left := len(c.Args) - i - 1
		op := fieldOp{}
		switch word := c.Args[i]; {
		case isWord(word, "GET") && left >= 2:
			op.what = 'g'
		case isWord(word, "SET") && left >= 3:
			op.what = 's'
		case isWord(word, "INCRBY") && left >= 3:
			op.what = 'i'
		case isWord(word, "OVERFLOW") && left >= 1:
			if o, ok = parseOverflow(c.Args[i+1]); !ok {
				c.Error(errBitfieldOver)
				return nil, 0, false
			}
			i += 2
			continue
		default:
			c.Error(errSyntax)
			return nil, 0, false
		}
		op.overflow = o
		if op.kind, ok = parseIntType(c.Args[i+1]); !ok {
			c.Error(errBitfieldType)
			return nil, 0, false
		}
		if op.at, ok = c.bitOffset(i+2, op.kind.bits); !ok {
			return nil, 0, false
		}
		i += 3
		if op.what != 'g' {
			if op.value, ok = c.intArg(i); !ok {
				return nil, 0, false
			}
			last = max(last, op.at+op.kind.bits-1)
			i++
		}
		ops = append(ops, op)
	}
	return ops, last, true
}

func parseOverflow(arg []byte) (overflow, bool) {
	switch {
	case isWord(arg, "WRAP"):
		return overflowWrap, true
	case isWord(arg, "SAT"):
		return overflowSat, true
	case isWord(arg, "FAIL"):
		return overflowFail, true
	}
	return 0, false
}

// bitfield implements BITFIELD key [GET encoding offset | [OVERFLOW WRAP | SAT |
// FAIL] SET encoding offset value | INCRBY encoding offset increment ...]. Reply: an
// array with the integer of each step: what was there for GET and SET, the sum
// for INCRBY, null where OVERFLOW FAIL kept it from being written.
//
// Source: Redis 7.0 docs for BITFIELD. The string grows first for all steps
// that write, also for those that fail.
func bitfield(c *WriteCall) {
	ops, last, ok := c.fieldOps()
	if !ok {
		return
	}
	if last < 0 {
		c.readFields(ops)
		return
	}
	key := c.Args[1]
	s, grew := c.room(key, last)
	if s == nil {
		return
	}
	changes := 0
	c.Array(len(ops))
	for i := range ops {
		op := &ops[i]
		old := op.kind.get(s, op.at)
		reply, value := old, old
		switch op.what {
		case 'i':
			value, ok = op.kind.add(old, op.value, op.overflow)
			reply = value
		case 's':
			value, ok = op.kind.fit(op.value, op.overflow)
		default:
			c.Int(old)
			continue
		}
		if !ok {
			c.Null()
			continue
		}
		c.Int(reply)
		op.kind.set(s, op.at, value)
		if grew || value != old {
			changes++
		}
	}
	switch {
	case changes > 0:
		c.changed('$', "setbit", key)
		c.also(changes - 1)
	case grew:
		c.modified(key) // without an event, as in Redis
		c.also(-1)
		c.propagateAlways() // which Redis forgets
	}
}

// readingBitfield returns BITFIELD's form that only reads, unless an argument
// may begin a step that writes.
func readingBitfield(args [][]byte) *Command {
	for _, a := range args[2:] {
		if isWord(a, "SET") || isWord(a, "INCRBY") {
			return nil
		}
	}
	return bitfieldReads
}

// bitfieldReads is BITFIELD where it only reads.
var bitfieldReads = &Command{Read: bitfieldGets}

func init() {
	for _, c := range bitCommands {
		if c.Name == "BITFIELD" {
			bitfieldReads.Spec = c.Spec
		}
	}
}

func bitfieldGets(c *ReadCall) {
	if ops, _, ok := c.fieldOps(); ok {
		c.readFields(ops)
	}
}

// bitfieldRO implements BITFIELD_RO key [GET encoding offset ...].
func bitfieldRO(c *ReadCall) {
	ops, last, ok := c.fieldOps()
	switch {
	case !ok:
	case last >= 0:
		c.Error(errBitfieldRO)
	default:
		c.readFields(ops)
	}
}

// readFields runs steps that are all GET.
func (c *ReadCall) readFields(ops []fieldOp) {
	e, ok := c.findKind(c.Args[1], keyspace.KindString)
	if !ok {
		return
	}
	var s []byte
	var buf [20]byte
	if e != nil {
		s = e.Str(buf[:])
	}
	c.Array(len(ops))
	for i := range ops {
		c.Int(ops[i].kind.get(s, ops[i].at))
	}
}
