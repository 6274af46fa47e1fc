package fsm

import "bytes"

// lposOptions are the options of LPOS.
type lposOptions struct {
	rank    int64 // which match is the first to be replied; below 0: from the end
	count   int64 // how many, 0 for all
	counted bool  // COUNT was given: the reply is an array
	maxLen  int64 // how many elements to compare, 0 for all
}

// lpos implements LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len].
//
// Source: Redis 7.0 docs for LPOS. Reply: the index of the match, or null; with
// COUNT an array of indexes.
func lpos(c *ReadCall) {
	o, ok := c.lposOptions()
	if !ok {
		return
	}
	l, ok := c.findList(c.Args[1])
	if !ok {
		return
	}
	mark, found := c.Mark(), 0
	if l != nil {
		fromEnd := o.rank < 0
		// The smallest integer has no opposite and stays below 0: then every
		// match counts and none is the last. Redis replies the same.
		rank := max(o.rank, -o.rank)
		walk := l.Each
		if fromEnd {
			walk = l.EachReverse
		}
		compared, matches := int64(0), int64(0)
		walk(func(index int, value []byte) bool {
			compared++
			if bytes.Equal(value, c.Args[2]) {
				if matches++; matches >= rank {
					c.Int(int64(index))
					found++
					if !o.counted || o.count != 0 && matches-rank+1 >= o.count {
						return false
					}
				}
			}
			return o.maxLen == 0 || compared < o.maxLen
		})
	}
	switch {
	case o.counted:
		c.InsertArray(mark, found)
	case found == 0:
		c.Null()
	}
}

func (c *ReadCall) lposOptions() (o lposOptions, ok bool) {
	o.rank = 1
	for i := 3; i < len(c.Args); i += 2 {
		if i+1 == len(c.Args) {
			c.Error(errSyntax)
			return o, false
		}
		switch option := c.Args[i]; {
		case isWord(option, "RANK"):
			if o.rank, ok = c.intArg(i + 1); !ok {
				return o, false
			}
			if o.rank == 0 {
				c.Error(errRankZero)
				return o, false
			}
		case isWord(option, "COUNT"):
			if o.count, ok = c.naturalArg(i+1, errCountNegative); !ok {
				return o, false
			}
			o.counted = true
		case isWord(option, "MAXLEN"):
			if o.maxLen, ok = c.naturalArg(i+1, errMaxLenNegative); !ok {
				return o, false
			}
		default:
			c.Error(errSyntax)
			return o, false
		}
	}
	return o, true
}
