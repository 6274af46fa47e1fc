package fsm

import (
	"github.com/quorate/quorate/fsm/hyperloglog"
	"github.com/quorate/quorate/fsm/keyspace"
)

// pfdebug implements PFDEBUG subcommand key, where subcommand is
//
//	GETREG    the registers, of a value that becomes dense
//	DECODE    the runs of a sparse value
//	ENCODING  "dense" or "sparse"
//	TODENSE   makes a sparse value dense; 1 if it did
//
// Source: what redis-server 7.0.15 replies; the command isn't documented.
func pfdebug(c *WriteCall) {
	word, key := c.Args[1], c.Args[2]
	e := c.modify(key)
	if e == nil {
		c.Error(errHLLNoKey)
		return
	}
	if c.sketch(e) == nil {
		return
	}
	b := e.Raw(0)
	switch {
	case isWord(word, "GETREG"):
		if b = c.toDense(e, b); b == nil {
			return
		}
		c.Array(hyperloglog.Registers)
		for i := range hyperloglog.Registers {
			c.Int(int64(hyperloglog.DenseRegister(b, i)))
		}
	case isWord(word, "DECODE"):
		if hyperloglog.EncodingOf(b) != hyperloglog.Sparse {
			c.Error(errHLLDense)
			return
		}
		text, ok := hyperloglog.AppendRuns(nil, b, c.Limits().ProtoMaxBulkLen)
		if !ok {
			c.Error(errReplyLimit)
			return
		}
		c.Bulk(text)
	case isWord(word, "ENCODING"):
		c.Simple(hyperloglog.EncodingOf(b).String())
	case isWord(word, "TODENSE"):
		sparse := hyperloglog.EncodingOf(b) == hyperloglog.Sparse
		if c.toDense(e, b) != nil {
			c.Bool(sparse)
		}
	default:
		c.Error(errFormat("ERR Unknown PFDEBUG subcommand '" + cString(word) + "'"))
	}
}

// toDense makes the HyperLogLog b at e dense and returns it, or nil after it has
// written an error.
func (c *WriteCall) toDense(e *keyspace.Entry, b []byte) []byte {
	if hyperloglog.EncodingOf(b) == hyperloglog.Dense {
		return b
	}
	dense, err := hyperloglog.ToDense(b)
	if err != nil {
		c.Error(errHLLCorrupt)
		return nil
	}
	e.SetValue(keyspace.NewOwnedString(dense))
	c.modified(c.Args[2])
	return dense
}
