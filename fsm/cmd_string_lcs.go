package fsm

import (
	"github.com/quorate/quorate/fsm/keyspace"
)

// lcsOptions are the options of LCS.
type lcsOptions struct {
	length, ranges, withLen bool
	minLen                  int64
}

// lcs implements LCS key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN].
//
// Source: Redis 7.0 docs for LCS. A missing key is an empty string. Reply: the
// subsequence, or with LEN its length, or with IDX the ranges it is made of,
// last first, and its length.
func lcs(c *ReadCall) {
	var text [2][]byte
	var buf [2][20]byte
	for i := range text {
		e := c.find(c.Args[1+i])
		if e == nil {
			continue
		}
		if e.Kind() != keyspace.KindString {
			c.Error(errLCSStrings)
			return
		}
		text[i] = e.Str(buf[i][:])
	}
	o, ok := c.lcsOptions()
	if !ok {
		return
	}
	if o.length && o.ranges {
		c.Error(errLCSBoth)
		return
	}
	// Redis needs four bytes a pair of positions and refuses what doesn't fit
	// into its limit. This implementation needs a bit, but the time that the
	// limit allows is long enough.
	a, b := text[0], text[1]
	if cells := 4 * (uint64(len(a)) + 1) * (uint64(len(b)) + 1); cells > uint64(c.Limits().ProtoMaxBulkLen) {
		c.Error(errLCSMemory)
		return
	}
	t := newLCSTable(a, b, !o.length)
	switch {
	case o.ranges:
		c.replyRanges(t, &o)
	case o.length:
		c.Int(int64(t.length))
	default:
		c.Bulk(t.subsequence())
	}
}

func (c *ReadCall) lcsOptions() (o lcsOptions, ok bool) {
	for i := 3; i < len(c.Args); i++ {
		switch a := c.Args[i]; {
		case isWord(a, "IDX"):
			o.ranges = true
		case isWord(a, "LEN"):
			o.length = true
		case isWord(a, "WITHMATCHLEN"):
			o.withLen = true
		case isWord(a, "MINMATCHLEN") && i+1 < len(c.Args):
			i++
			if o.minLen, ok = c.intArg(i); !ok {
				return o, false
			}
		default:
			c.Error(errSyntax)
			return o, false
		}
	}
	return o, true
}

// replyRanges replies the runs of matches that are contiguous in both strings.
func (c *ReadCall) replyRanges(t *lcsTable, o *lcsOptions) {
	c.Map(2)
	c.BulkString("matches")
	mark, n := c.Mark(), 0
	t.runs(func(i, j, length int) {
		if int64(length) < o.minLen {
			return
		}
		n++
		if o.withLen {
			c.Array(3)
		} else {
			c.Array(2)
		}
		for _, from := range [...]int{i, j} {
			c.Array(2)
			c.Int(int64(from))
			c.Int(int64(from + length - 1))
		}
		if o.withLen {
			c.Int(int64(length))
		}
	})
	c.InsertArray(mark, n)
	c.BulkString("len")
	c.Int(int64(t.length))
}

// lcsTable is the outcome of the textbook dynamic program over all prefixes of
// two strings. Only the last two rows of lengths are kept; what the walk back
// needs is one bit for each pair of positions that differ: whether dropping the
// byte of a leaves more than dropping the byte of b.
type lcsTable struct {
	a, b   []byte
	length int
	dropA  []uint64
}

// newLCSTable fills the table, with the bits for the walk back if walk is set.
// O(len(a)*len(b)).
func newLCSTable(a, b []byte, walk bool) *lcsTable {
	t := &lcsTable{a: a, b: b}
	if walk {
		t.dropA = make([]uint64, (len(a)*len(b)+63)/64)
	}
	above, row := make([]uint32, len(b)+1), make([]uint32, len(b)+1)
	for i := range a {
		for j := range b {
			switch {
			case a[i] == b[j]:
				row[j+1] = above[j] + 1
			case above[j+1] > row[j]:
				row[j+1] = above[j+1]
				if walk {
					cell := i*len(b) + j
					t.dropA[cell/64] |= 1 << (cell % 64)
				}
			default:
				row[j+1] = row[j]
			}
		}
		above, row = row, above
	}
	t.length = int(above[len(b)])
	return t
}

// matches walks back from the end and visits every pair of positions of the
// subsequence, last first.
func (t *lcsTable) matches(visit func(i, j int)) {
	i, j := len(t.a)-1, len(t.b)-1
	for i >= 0 && j >= 0 {
		if t.a[i] == t.b[j] {
			visit(i, j)
			i--
			j--
			continue
		}
		if cell := i*len(t.b) + j; t.dropA[cell/64]>>(cell%64)&1 != 0 {
			i--
		} else {
			j--
		}
	}
}

// subsequence returns the longest common subsequence.
func (t *lcsTable) subsequence() []byte {
	out := make([]byte, t.length)
	n := t.length
	t.matches(func(i, _ int) {
		n--
		out[n] = t.a[i]
	})
	return out
}

// runs visits the maximal runs of matches that are contiguous in both strings,
// last first: where they begin and how long they are.
func (t *lcsTable) runs(visit func(i, j, length int)) {
	first, second, length := 0, 0, 0
	t.matches(func(i, j int) {
		if length > 0 && (i != first-1 || j != second-1) {
			visit(first, second, length)
			length = 0
		}
		first, second = i, j
		length++
	})
	if length > 0 {
		visit(first, second, length)
	}
}
