package fsm

import (
	"github.com/quorate/quorate/fsm/geo"
	"github.com/quorate/quorate/fsm/keyspace"
)

// geoForm tells the commands that search for positions apart.
type geoForm uint8

const (
	geoSearch      geoForm = iota // GEOSEARCH: centre and shape are options
	geoSearchStore                // GEOSEARCHSTORE
	geoAround                     // GEORADIUS: a circle around a position
	geoAroundStore                // the same, and STORE is allowed
	geoByMember                   // GEORADIUSBYMEMBER: a circle around a member
	geoByMemberStore
)

// geoQuery is a search as a command asks for it.
type geoQuery struct {
	form  geoForm
	zset  *keyspace.ZSet // nil: the key is missing
	shape geo.Shape

	withDist, withHash, withCoord bool
	order                         geoOrder
	count                         int64 // 0: all
	any                           bool  // any members will do, not only the nearest

	store     []byte // nil: reply them
	storeDist bool   // the scores are distances

	fromMember, fromPoint, byRadius, byBox bool
}

type geoOrder uint8

const (
	geoUnsorted geoOrder = iota
	geoNearestFirst
	geoFarthestFirst
)

// options tells whether the form is that of a GEOSEARCH.
func (f geoForm) options() bool { return f <= geoSearchStore }

// storable tells whether the options STORE and STOREDIST with a key are known.
func (f geoForm) storable() bool { return f == geoAroundStore || f == geoByMemberStore }

// geoQuery reads a command, or writes the error. Errors come in the order in
// which Redis finds them.
func (c *ReadCall) geoQuery(form geoForm) (q geoQuery, ok bool) {
	q.form = form
	source, first := 1, 2
	if form == geoSearchStore {
		q.store = c.Args[1]
		source, first = 2, 3
	}
	if q.zset, ok = c.zset(c.Args[source]); !ok {
		return q, false
	}
	switch form {
	case geoAround, geoAroundStore:
		first = 6
		if q.shape.Center, ok = c.geoPoint(2); !ok || !c.geoRadius(&q.shape, 4) {
			return q, false
		}
	case geoByMember, geoByMemberStore:
		first = 5
		// Without a set Redis looks at neither member nor radius.
		if q.zset != nil && !(c.geoCenter(&q, 2) && c.geoRadius(&q.shape, 3)) {
			return q, false
		}
	}
	for i := first; i < len(c.Args); {
		n := c.geoOption(&q, i)
		if n == 0 {
			return q, false
		}
		i += n
	}
	return q, c.geoCheck(&q)
}

// geoOption reads the option at argument i and returns how many arguments it
// has taken, or writes the error and returns 0.
func (c *ReadCall) geoOption(q *geoQuery, i int) int {
	a, more := c.Args[i], len(c.Args)-i-1
	switch {
	case isWord(a, "WITHDIST"):
		q.withDist = true
	case isWord(a, "WITHHASH"):
		q.withHash = true
	case isWord(a, "WITHCOORD"):
		q.withCoord = true
	case isWord(a, "ANY"):
		q.any = true
	case isWord(a, "ASC"):
		q.order = geoNearestFirst
	case isWord(a, "DESC"):
		q.order = geoFarthestFirst
	case isWord(a, "COUNT") && more >= 1:
		var ok bool
		if q.count, ok = c.intArg(i + 1); !ok {
			return 0
		}
		if q.count <= 0 {
			c.Error(errGeoCount)
			return 0
		}
		return 2
	case isWord(a, "STORE") && more >= 1 && q.form.storable():
		q.store, q.storeDist = c.Args[i+1], false
		return 2
	case isWord(a, "STOREDIST") && more >= 1 && q.form.storable():
		q.store, q.storeDist = c.Args[i+1], true
		return 2
	case isWord(a, "STOREDIST") && q.form == geoSearchStore:
		q.storeDist = true
	default:
		return c.geoArea(q, i)
	}
	return 1
}

// geoArea is geoOption for those that GEOSEARCH alone has.
func (c *ReadCall) geoArea(q *geoQuery, i int) int {
	a, more := c.Args[i], len(c.Args)-i-1
	switch {
	case !q.form.options():
	case isWord(a, "FROMMEMBER") && more >= 1 && !q.fromPoint:
		q.fromMember = true
		if q.zset != nil && !c.geoCenter(q, i+1) {
			return 0
		}
		return 2
	case isWord(a, "FROMLONLAT") && more >= 2 && !q.fromMember:
		q.fromPoint = true
		var ok bool
		if q.shape.Center, ok = c.geoPoint(i + 1); !ok {
			return 0
		}
		return 3
	case isWord(a, "BYRADIUS") && more >= 2 && !q.byBox:
		q.byRadius = true
		if !c.geoRadius(&q.shape, i+1) {
			return 0
		}
		return 3
	case isWord(a, "BYBOX") && more >= 3 && !q.byRadius:
		q.byBox = true
		if !c.geoBox(&q.shape, i+1) {
			return 0
		}
		return 4
	}
	c.Error(errSyntax)
	return 0
}

// geoCenter makes the member at argument i the centre, or writes the error.
func (c *ReadCall) geoCenter(q *geoQuery, i int) bool {
	score, ok := q.zset.Score(c.Args[i])
	if !ok {
		c.Error(errGeoMember)
		return false
	}
	q.shape.Center = geo.FromScore(score)
	return true
}

// geoRadius reads a radius at argument i and a unit behind it, or writes the
// error.
func (c *ReadCall) geoRadius(s *geo.Shape, i int) (ok bool) {
	if s.Radius, ok = keyspace.ParseFloat(c.Args[i]); !ok {
		c.Error(errGeoRadius)
		return false
	}
	if s.Radius < 0 {
		c.Error(errGeoRadiusNegative)
		return false
	}
	s.Unit, ok = c.geoUnit(i + 1)
	return ok
}

// geoBox reads width, height and unit from argument i on, or writes the error.
func (c *ReadCall) geoBox(s *geo.Shape, i int) (ok bool) {
	s.Box = true
	if s.Width, ok = keyspace.ParseFloat(c.Args[i]); !ok {
		c.Error(errGeoWidth)
		return false
	}
	if s.Height, ok = keyspace.ParseFloat(c.Args[i+1]); !ok {
		c.Error(errGeoHeight)
		return false
	}
	if s.Width < 0 || s.Height < 0 {
		c.Error(errGeoBoxNegative)
		return false
	}
	s.Unit, ok = c.geoUnit(i + 2)
	return ok
}

// geoCheck looks for what is missing and for what doesn't go together.
func (c *ReadCall) geoCheck(q *geoQuery) bool {
	switch {
	case q.store != nil && (q.withDist || q.withHash || q.withCoord):
		c.Error(errGeoStore(q.form == geoSearchStore))
	case q.form.options() && !q.fromMember && !q.fromPoint:
		c.Error(errGeoFrom(cString(c.Args[0])))
	case q.form.options() && !q.byRadius && !q.byBox:
		c.Error(errGeoBy(cString(c.Args[0])))
	case q.any && q.count == 0:
		c.Error(errGeoAny)
	default:
		if q.count > 0 && q.order == geoUnsorted && !q.any {
			q.order = geoNearestFirst
		}
		return true
	}
	return false
}
