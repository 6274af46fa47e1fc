package compat

import (
	"strconv"
	"strings"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/fsm/rdb"
	"github.com/quorate/quorate/test/wire"
)

// The families geo, sort and dump. Lists, sets and sorted sets that are sorted
// have keys of their own, sl:, ss: and sz:, because only those of a known type
// can be judged: the order of a set is nobody's, and that of a sorted set by
// equal weights neither.
func init() {
	for family, lines := range map[string][]string{
		"geo": {
			"GEOADD (geo:0|geo:1) <%lon %lat %m>", "GEOADD (geo:0|geo:1|geo:2) <%lon %lat %m>", "GEOADD (geo:0|geo:1) [NX|XX] [CH] <%lon %lat %m>",
			"GEOADD (geo:0|%a) [CH|NX XX] %lon %lat %m", "ZREM (geo:0|geo:1|geo:2) <%m>", "ZADD geo:2 %f %m",
			"GEODIST (geo:0|geo:1|geo:2) %m %m [%unit]", "GEODIST (geo:0|%a) %m %m [%unit]",
			"GEOHASH (geo:0|geo:1|geo:2|%a) <%m>", "GEOPOS (geo:0|geo:1|geo:2|%a) <%m>",
			"GEOSEARCH (geo:0|geo:1|geo:2) (FROMLONLAT %lon %lat|FROMMEMBER %m) (BYRADIUS %rad %unit|BYBOX %rad %rad %unit) [ASC|DESC] [COUNT %n [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]",
			"GEOSEARCH (geo:0|geo:1) FROMLONLAT %lon %lat (BYRADIUS %rad %unit|BYBOX %rad %rad %unit) (ASC|DESC) WITHDIST",
			"GEOSEARCH (geo:0|%a) [FROMLONLAT %lon %lat] [FROMMEMBER %m] [BYRADIUS %rad %unit] [BYBOX %rad %rad %unit] [ANY|STORE geo:0|STOREDIST]",
			"GEOSEARCHSTORE (geo:2|%a) (geo:0|geo:1) (FROMLONLAT %lon %lat|FROMMEMBER %m) (BYRADIUS %rad %unit|BYBOX %rad %rad %unit) [ASC|DESC] [COUNT %n [ANY]]",
			"GEOSEARCHSTORE geo:3 (geo:0|geo:1) (FROMLONLAT %lon %lat|FROMMEMBER %m) (BYRADIUS %rad %unit|BYBOX %rad %rad %unit) STOREDIST", "DEL geo:3",
			"GEORADIUS (geo:0|geo:1) %lon %lat %rad %unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT %n [ANY]] [ASC|DESC]",
			"GEORADIUS (geo:0|geo:1|%a) %lon %lat %rad %unit [COUNT %n [ANY]] (STORE|STORE|STOREDIST) geo:3 [WITHDIST]",
			"GEORADIUS_RO (geo:0|geo:1) %lon %lat %rad %unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT %n [ANY]] [ASC|DESC|STORE geo:3]",
			"GEORADIUSBYMEMBER (geo:0|geo:1) %m %rad %unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT %n [ANY]] [ASC|DESC] [STORE geo:3]",
			"GEORADIUSBYMEMBER_RO (geo:0|geo:1|%a) %m %rad %unit [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT %n [ANY]] [ASC|DESC]",
			"OBJECT ENCODING (geo:0|geo:3)",
		},
		"sort": {
			"RPUSH (sl:0|sl:1) <%num>", "RPUSH (sl:0|sl:1) <%num>", "RPUSH sl:2 <%v>", "LPOP (sl:0|sl:1|sl:2) [%n]", "SADD (ss:0|ss:1) <%num>", "SADD ss:2 <%d>", "SREM (ss:0|ss:1) <%num>",
			"ZADD (sz:0|sz:1) <%s %num>", "ZREM (sz:0|sz:1) <%num>", "SET %weight %num", "SET %weight %num", "DEL %weight", "HSET %wh <%d %num>", "SET %weight %v",
			"SORT (sl:0|sl:1|ss:0|ss:1|sz:0|sz:1) [ASC|DESC] [LIMIT %n %n]", "SORT (sl:2|ss:2|sz:0) ALPHA [DESC] [LIMIT %n %n]",
			"SORT (sl:0|sl:1) BY (w_*|%hash|%hash|missing_*) [DESC] [LIMIT %n %n] [GET #] [GET w_*] [GET %hash]",
			"SORT (sl:0|sl:1) BY (w_*|%hash|missing_*) ALPHA [ASC|DESC] [LIMIT %n %n] [GET (#|w_*|%hash|x)]",
			"SORT (ss:0|ss:1|sz:0|sz:1) BY (w_*|%hash|missing_*) [DESC] [LIMIT %n %n] GET # GET w_*",
			"SORT (sl:0|sl:1|sl:2|sz:0|sz:1) BY nosort [DESC] [LIMIT %n %n] [GET #] [GET w_*] [STORE so:0]",
			"SORT ss:0 BY nosort STORE so:0", "SORT (sl:2|ss:2|sz:1) ALPHA [DESC] [LIMIT %n %n] [GET #] [GET w_*] STORE (so:0|so:1)", "SORT (sl:0|sl:1) BY w_* ALPHA [LIMIT %n %n] STORE so:1",
			"SORT_RO (sl:0|sl:1|ss:0) [ASC|DESC] [LIMIT %n %n] [STORE so:0]", "SORT_RO (sl:0|sl:1) BY w_* [DESC] [LIMIT %n %n] GET # GET %hash",
			"SORT (nokey|string:0|hash:0) ALPHA [GET #] [LIMIT %n %n] [STORE so:0]", "OBJECT ENCODING (so:0|sz:0)", "LRANGE (so:0|so:1) 0 -1",
		},
		"dump": {
			"DUMP %a", "RESTORE %a 0 %dump [REPLACE]", "RESTORE %a 0 %dump REPLACE", "RESTORE %a %p %dump [REPLACE] [IDLETIME %n|FREQ %n]", "RESTORE %a %U %dump ABSTTL REPLACE",
			"RESTORE %a %p %v [REPLACE|ABSTTL|IDLETIME 1 FREQ 1|FREQ 256|NOSUCH]", "RESTORE-ASKING %a 0 %dump [REPLACE]", "DEL %a", "OBJECT ENCODING %a", "TYPE %a",
		},
	} {
		templates[family] = lines
	}
	policies["DUMP"], policies["SORT"], policies["SORT_RO"] = payload, sticky, sticky
}

// ownWord returns an argument of these families.
func (g *Generator) ownWord(w string) (string, bool) {
	degrees := func(limit float64) string {
		return g.or(12, append(oddFloats, "180", "-180", "85.05112878", "-85.05112878", "85.06"), func() string {
			switch g.r.IntN(6) {
			case 0:
				return strconv.FormatFloat((2*g.r.Float64()-1)*limit, 'f', -1, 64)
			case 1:
				return strconv.Itoa(g.r.IntN(2*int(limit)) - int(limit))
			}
			return strconv.FormatFloat(13+g.r.Float64(), 'f', 6, 64)
		})
	}
	switch w {
	case "lon":
		return degrees(180), true
	case "lat":
		return degrees(85), true
	case "rad":
		return g.or(12, append(oddFloats, "0", "1e7", "-1"), func() string {
			return strconv.FormatFloat(g.r.ExpFloat64()*pick(g, []float64{1, 100, 1e4, 1e6}), 'f', -1, 64)
		}), true
	case "unit":
		return g.or(20, []string{"yard", ""}, func() string { return g.casing(pick(g, []string{"M", "KM", "FT", "MI"})) }), true
	case "num":
		return g.or(60, []string{"", "x", "1 ", " 1", "nan", "inf"}, func() string { return strconv.Itoa(g.r.IntN(40)) }), true
	case "weight":
		return "w_" + strconv.Itoa(g.r.IntN(40)), true
	case "wh":
		return "h_" + strconv.Itoa(g.r.IntN(40)), true
	case "hash": // the notation of templates has no room for "->"
		return "h_*->f" + strconv.Itoa(g.r.IntN(4)), true
	case "dump":
		return g.payload(), true
	}
	return "", false
}

// payload is a value as DUMP gives it, now and then with a wrong byte.
func (g *Generator) payload() string {
	limits := keyspace.DefaultLimits()
	if g.oneIn(2) {
		limits.HashMaxListpackEntries, limits.SetMaxIntsetEntries, limits.ZsetMaxListpackEntries, limits.ListMaxListpackSize = 2, 2, 2, 2
	}
	n := 1 + g.r.IntN(6)
	if g.oneIn(20) {
		n = 600
	}
	var v keyspace.Value
	switch g.r.IntN(5) {
	case 0:
		v = keyspace.NewString([]byte(g.value()))
	case 1:
		l := new(keyspace.List)
		for range n {
			l.PushRight([]byte(g.value()), &limits)
		}
		v = keyspace.NewListValue(l)
	case 2:
		s := new(keyspace.Set)
		for range n {
			s.Add([]byte(g.member()), &limits)
		}
		v = keyspace.NewSetValue(s)
	case 3:
		z := new(keyspace.ZSet)
		for range n {
			z.Add([]byte(g.member()), float64(g.r.IntN(200)-60)/4, &limits)
		}
		v = keyspace.NewZSetValue(z)
	default:
		h := new(keyspace.Hash)
		for range n {
			h.Set([]byte("f"+strconv.Itoa(g.r.IntN(40))), []byte(g.value()), &limits)
		}
		v = keyspace.NewHashValue(h)
	}
	b := rdb.AppendDump(nil, &v)
	if g.oneIn(12) {
		b[g.r.IntN(len(b))] ^= 1 << g.r.IntN(8)
	}
	return string(b)
}

// The text of an error that Redis can give to a SORT that has done nothing
// wrong: it looks at errno, which is still that of a number before.
const stickyError = "-ERR One or more scores can't be converted into double"

// agreeOwn compares by the policies of these families.
func agreeOwn(p policy, sut, oracle wire.Reply) bool {
	switch p {
	case payload: // two servers compress differently, and their sets have another order
		return !oracle.Null && !sut.Null && !oracle.IsError()
	case sticky:
		return strings.HasPrefix(string(oracle.Raw), stickyError)
	}
	return false
}

// tameSort changes a SORT whose reply could not be judged: one that stores numbers
// that Redis may refuse, and one that shows the order of a set, or that of
// texts in a sorted set which weigh the same.
func tameSort(args []string) []string {
	if len(args) < 2 {
		return args
	}
	alpha, by, star, stores := false, false, false, false
	for i, a := range args {
		switch strings.ToUpper(a) {
		case "ALPHA":
			alpha = true
		case "BY":
			by = true
			star = star || i+1 < len(args) && strings.Contains(args[i+1], "*")
		case "STORE":
			stores = true
		}
	}
	plain := []string{args[0], args[1], "ALPHA"}
	switch key := strings.ToLower(args[1]); {
	case by && star && (strings.HasPrefix(key, "ss:") || strings.HasPrefix(key, "sz:")) && (alpha || stores):
		return plain
	case by && !star && strings.HasPrefix(key, "ss:") && !stores:
		return plain
	case stores && !alpha && (!by || star):
		return append(args, "ALPHA")
	}
	return args
}
