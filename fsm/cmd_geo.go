package fsm

import (
	"math"
	"strconv"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/geo"
	"github.com/quorate/quorate/fsm/keyspace"
)

// geoadd implements GEOADD key [NX | XX] [CH] longitude latitude member
// [longitude latitude member ...]. It is ZADD with the positions' geohashes as
// scores.
//
// Source: Redis 7.0 docs for GEOADD. Reply: that of ZADD.
func geoadd(c *WriteCall) {
	first, nx, xx := 2, false, false
options:
	for ; first < len(c.Args); first++ {
		switch a := c.Args[first]; {
		case isWord(a, "NX"):
			nx = true
		case isWord(a, "XX"):
			xx = true
		case isWord(a, "CH"): // ZADD's own
		default:
			break options
		}
	}
	places := c.Args[first:]
	if len(places)%3 != 0 || nx && xx {
		c.Error(errSyntax)
		return
	}
	args := append(make([][]byte, 0, first+len(places)/3*2), c.Args[:first]...)
	for i := 0; i < len(places); i += 3 {
		p, ok := c.geoPoint(first + i)
		if !ok {
			return
		}
		args = append(args, strconv.AppendInt(nil, int64(p.Score()), 10), places[i+2])
	}
	args[0] = []byte("zadd") // what its effect is, too
	c.Args = args
	c.setScores(zaddOptions{})
}

// geoPoint reads a longitude at argument i and a latitude behind it, or writes
// the error.
func (c *ReadCall) geoPoint(i int) (p geo.Point, ok bool) {
	if p.Longitude, ok = keyspace.ParseFloat(c.Args[i]); ok {
		p.Latitude, ok = keyspace.ParseFloat(c.Args[i+1])
	}
	switch {
	case !ok:
		c.Error(errNotFloat)
	case !p.Valid():
		c.Error(errGeoPoint(p.Longitude, p.Latitude))
		ok = false
	}
	return p, ok
}

// geoUnit reads argument i as a unit of length and returns its metres, or
// writes the error.
func (c *ReadCall) geoUnit(i int) (metres float64, ok bool) {
	switch a := c.Args[i]; {
	case isWord(a, "M"):
		return 1, true
	case isWord(a, "KM"):
		return 1000, true
	case isWord(a, "FT"):
		return 0.3048, true
	case isWord(a, "MI"):
		return 1609.34, true
	}
	c.Error(errGeoUnit)
	return 0, false
}

// geodist implements GEODIST key member1 member2 [M | KM | FT | MI].
//
// Source: Redis 7.0 docs for GEODIST. Reply: the distance with four decimals, or
// null if the key or a member is missing.
func geodist(c *ReadCall) {
	unit := 1.0
	switch {
	case len(c.Args) > 5:
		c.Error(errSyntax)
		return
	case len(c.Args) == 5:
		var ok bool
		if unit, ok = c.geoUnit(4); !ok {
			return
		}
	}
	z, ok := c.zset(c.Args[1])
	if !ok {
		return
	}
	if z != nil {
		a, okA := z.Score(c.Args[2])
		b, okB := z.Score(c.Args[3])
		if okA && okB {
			c.replyDistance(geo.Distance(geo.FromScore(a), geo.FromScore(b)) / unit)
			return
		}
	}
	c.Null()
}

// replyDistance replies a distance with four decimals.
func (c *ReadCall) replyDistance(d float64) {
	var room [32]byte
	n := int64(math.RoundToEven(float64(d * 10000))) // never near the end of the range
	b := strconv.AppendInt(room[:0], n/10000, 10)
	b = append(b, '.')
	for rest, unit := n%10000, int64(1000); unit > 0; unit /= 10 {
		b = append(b, byte('0'+rest/unit%10))
	}
	c.Bulk(b)
}

// replyDegrees replies a coordinate with up to 17 decimals.
func (c *ReadCall) replyDegrees(f float64) {
	var room [32]byte
	b := strconv.AppendFloat(room[:0], f, 'f', 17, 64)
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	if b[len(b)-1] == '.' {
		b = b[:len(b)-1]
	}
	c.Double(b)
}

// replyPoint replies longitude and latitude.
func (c *ReadCall) replyPoint(p geo.Point) {
	c.Array(2)
	c.replyDegrees(p.Longitude)
	c.replyDegrees(p.Latitude)
}

// geohash implements GEOHASH key [member [member ...]].
//
// Source: Redis 7.0 docs for GEOHASH. Reply: eleven letters for each member, null
// for one that is missing.
func geohash(c *ReadCall) {
	z, ok := c.zset(c.Args[1])
	if !ok {
		return
	}
	c.Array(len(c.Args) - 2)
	var room [16]byte
	for _, member := range c.Args[2:] {
		if z != nil {
			if score, ok := z.Score(member); ok {
				c.Bulk(geo.AppendText(room[:0], score))
				continue
			}
		}
		c.Null()
	}
}

// geopos implements GEOPOS key [member [member ...]].
//
// Source: Redis 7.0 docs for GEOPOS. Reply: longitude and latitude for each
// member, a null array for one that is missing.
func geopos(c *ReadCall) {
	z, ok := c.zset(c.Args[1])
	if !ok {
		return
	}
	c.Array(len(c.Args) - 2)
	for _, member := range c.Args[2:] {
		if z != nil {
			if score, ok := z.Score(member); ok {
				c.replyPoint(geo.FromScore(score))
				continue
			}
		}
		c.NullArray()
	}
}

// geoStoreKeys finds the keys of GEORADIUS and GEORADIUSBYMEMBER, whose options
// begin at an argument: of several STORE and STOREDIST the last one counts.
func geoStoreKeys(options int) func(args [][]byte) ([]int, bool) {
	return func(args [][]byte) ([]int, bool) {
		stored := 0
		for i := options; i < len(args)-1; i++ {
			switch {
			case isWord(args[i], "COUNT"):
				i++
			case isWord(args[i], "STORE"), isWord(args[i], "STOREDIST"):
				i++
				stored = i
			}
		}
		if stored == 0 {
			return []int{1}, true
		}
		return []int{1, stored}, true
	}
}

// geoStoreSpecs are the key specifications of the same commands.
func geoStoreSpecs(options int) []command.KeySpec {
	return []command.KeySpec{
		{Flags: command.KeyRO | command.KeyAccess, Pos: 1, Step: 1},
		{Flags: command.KeyOW | command.KeyUpdate, Keyword: "STORE", Pos: options, Step: 1},
		{Flags: command.KeyOW | command.KeyUpdate, Keyword: "STOREDIST", Pos: options, Step: 1},
	}
}

// readingGeo returns the Command.Reading of GEORADIUS or GEORADIUSBYMEMBER: without
// STORE they only read.
func readingGeo(reads *Command, keys func(args [][]byte) ([]int, bool)) func(args [][]byte) *Command {
	return func(args [][]byte) *Command {
		if found, _ := keys(args); len(found) > 1 {
			return nil
		}
		return reads
	}
}

// The forms of GEORADIUS and GEORADIUSBYMEMBER that only read.
var (
	georadiusReads         = &Command{Read: func(c *ReadCall) { c.replyGeo(geoAroundStore) }}
	georadiusbymemberReads = &Command{Read: func(c *ReadCall) { c.replyGeo(geoByMemberStore) }}
)

func init() {
	for _, c := range geoCommands {
		switch c.Name {
		case "GEORADIUS":
			georadiusReads.Spec = c.Spec
		case "GEORADIUSBYMEMBER":
			georadiusbymemberReads.Spec = c.Spec
		}
	}
}
