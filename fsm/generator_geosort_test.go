package fsm

import (
	"strconv"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/fsm/rdb"
)

// ownWord returns an argument of the geospatial commands, of SORT and of
// RESTORE, or nil for a word that the others know.
func (g *generator) ownWord(c *Command, name string) []byte {
	degrees := func(limit float64) []byte {
		switch g.r.IntN(8) {
		case 0: // far away, or an edge
			return strconv.AppendFloat(nil, []float64{-limit, limit, 0, limit / 2, 2 * limit}[g.r.IntN(5)], 'f', -1, 64)
		case 1:
			return strconv.AppendFloat(nil, (2*g.r.Float64()-1)*limit, 'f', -1, 64)
		}
		return strconv.AppendFloat(nil, float64(g.r.IntN(80))/20, 'f', -1, 64) // near each other
	}
	switch name {
	case "longitude":
		return degrees(180)
	case "latitude":
		return degrees(85.05112878)
	case "radius", "width", "height":
		return []byte([]string{"0", "10", "500", "20000", "300000", "5e6", "1e300", "inf"}[g.r.IntN(8)])
	case "pattern":
		if c.Name == "SORT" || c.Name == "SORT_RO" {
			return []byte([]string{"#", "nosort", "*", "string:*{0}", "hash:*{1}->e1", "list:*{0}", "*->f"}[g.r.IntN(7)])
		}
	case "ttl":
		if g.r.IntN(3) == 0 {
			return strconv.AppendInt(nil, g.now+int64(g.r.IntN(3000))-500, 10)
		}
		return strconv.AppendInt(nil, int64(g.r.IntN(3000)), 10)
	case "frequency":
		return strconv.AppendInt(nil, int64(g.r.IntN(256)), 10)
	case "serialized-value":
		return g.payload()
	}
	return nil
}

// payload returns a value of any type as DUMP would, or one in four times
// something damaged with a checksum that is right.
func (g *generator) payload() []byte {
	limits := keyspace.DefaultLimits()
	if g.r.IntN(2) == 0 {
		limits.HashMaxListpackEntries, limits.SetMaxIntsetEntries, limits.ZsetMaxListpackEntries, limits.ListMaxListpackSize = 2, 2, 2, 2
	}
	n := 1 + g.r.IntN(5)
	var v keyspace.Value
	switch g.r.IntN(5) {
	case 0:
		v = keyspace.NewString(g.word())
	case 1:
		l := new(keyspace.List)
		for range n {
			l.PushRight(g.word(), &limits)
		}
		v = keyspace.NewListValue(l)
	case 2:
		s := new(keyspace.Set)
		for range n {
			s.Add(g.word(), &limits)
		}
		v = keyspace.NewSetValue(s)
	case 3:
		z := new(keyspace.ZSet)
		for range n {
			z.Add(g.word(), g.r.NormFloat64(), &limits)
		}
		v = keyspace.NewZSetValue(z)
	default:
		h := new(keyspace.Hash)
		for range n {
			h.Set(g.word(), g.word(), &limits)
		}
		v = keyspace.NewHashValue(h)
	}
	b := rdb.AppendDump(nil, &v)
	if g.r.IntN(4) == 0 {
		b[g.r.IntN(len(b)-10)] ^= byte(1 << g.r.IntN(8))
		b = resum(b)
	}
	return b
}
