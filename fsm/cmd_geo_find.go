package fsm

import (
	"strconv"

	"cmp"
	"slices"

	"github.com/quorate/quorate/fsm/geo"
	"github.com/quorate/quorate/fsm/keyspace"
)

// geosearch implements GEOSEARCH; its syntax stands in the table.
//
// Source: Redis 7.0 docs for GEOSEARCH. Reply: members, or arrays of a member and
// what the WITH options ask for: distance, geohash, position.
func geosearch(c *ReadCall) { c.replyGeo(geoSearch) }

// georadiusRO implements GEORADIUS_RO; see geosearch.
func georadiusRO(c *ReadCall) { c.replyGeo(geoAround) }

// georadiusbymemberRO implements GEORADIUSBYMEMBER_RO; see geosearch.
func georadiusbymemberRO(c *ReadCall) { c.replyGeo(geoByMember) }

func (c *ReadCall) replyGeo(form geoForm) {
	if q, ok := c.geoQuery(form); ok {
		c.replyFound(&q)
	}
}

// geosearchstore implements GEOSEARCHSTORE; its syntax stands in the table.
//
// Source: Redis 7.0 docs for GEOSEARCHSTORE. Reply: how many members were stored;
// their scores are geohashes, or with STOREDIST distances.
func geosearchstore(c *WriteCall) { c.storeGeo(geoSearchStore, "geosearchstore") }

// georadius implements GEORADIUS. Reply: as GEOSEARCH, or with STORE or
// STOREDIST as GEOSEARCHSTORE.
func georadius(c *WriteCall) { c.storeGeo(geoAroundStore, "georadiusstore") }

// georadiusbymember implements GEORADIUSBYMEMBER; see georadius.
func georadiusbymember(c *WriteCall) { c.storeGeo(geoByMemberStore, "georadiusstore") }

func (c *WriteCall) storeGeo(form geoForm, event string) {
	q, ok := c.geoQuery(form)
	switch {
	case !ok:
		return
	case q.store == nil:
		if !c.Discard { // where nobody listens there is nothing to do
			c.replyFound(&q)
		}
		return
	}
	found := q.find()
	z := keyspace.NewBigZSet(len(found.points))
	for i := range found.points {
		p := &found.points[i]
		score := p.score
		if q.storeDist {
			score = p.dist / q.shape.Unit
		}
		z.Add(found.member(p), score, c.Limits())
	}
	z.ConvertToListpackIfNeeded(c.Limits())
	if q.storeDist && len(found.points) > 0 && c.feeding() {
		// As effects: the C library may have another last bit of a distance.
		c.propagate([]byte("DEL"), q.store)
		effect := [][]byte{[]byte("ZADD"), q.store}
		for i := range found.points {
			p := &found.points[i]
			effect = append(effect, strconv.AppendFloat(nil, p.dist/q.shape.Unit, 'g', -1, 64), found.member(p))
		}
		c.propagate(effect...)
	}
	c.storeZSet(q.store, z, event)
	c.also(max(z.Len()-1, 0))
}

// replyFound replies what a search finds.
func (c *ReadCall) replyFound(q *geoQuery) {
	found := q.find()
	c.Array(len(found.points))
	parts := 1
	for _, with := range []bool{q.withDist, q.withHash, q.withCoord} {
		if with {
			parts++
		}
	}
	for i := range found.points {
		p := &found.points[i]
		if parts > 1 {
			c.Array(parts)
		}
		c.Bulk(found.member(p))
		if q.withDist {
			c.replyDistance(p.dist / q.shape.Unit)
		}
		if q.withHash {
			c.Int(geo.Signed(p.score))
		}
		if q.withCoord {
			c.replyPoint(geo.FromScore(p.score))
		}
	}
}

// geoFound is the result of a search.
type geoFound struct {
	points  []geoPoint
	members []byte // the members' bytes, one behind the other
}

// geoPoint is a member that was found.
type geoPoint struct {
	dist     float64 // from the centre, metres
	score    float64
	from, to int // of its bytes
}

func (f *geoFound) member(p *geoPoint) []byte { return f.members[p.from:p.to] }

// find looks through the cells that the shape touches, and sorts and cuts what
// it finds there.
func (q *geoQuery) find() (f geoFound) {
	if q.zset == nil {
		return f
	}
	var room [9]geo.Span
	finder := geo.NewFinder(&q.shape)
	full := func() bool { return q.any && int64(len(f.points)) >= q.count }
	for _, span := range q.shape.Spans(room[:0]) {
		start, end := q.zset.ScoreSpan(keyspace.ScoreRange{Min: span.From, Max: span.To, MaxExcl: true})
		q.zset.Range(start, end, false, func(member []byte, score float64) bool {
			if dist, in := finder.Distance(geo.FromScore(score)); in {
				from := len(f.members)
				f.members = append(f.members, member...)
				f.points = append(f.points, geoPoint{dist, score, from, len(f.members)})
			}
			return !full()
		})
		if full() {
			break
		}
	}
	q.sort(&f)
	return f
}

// sort brings the points into order and leaves out those beyond the count.
// Points of the same distance stay in the order in which they were found, unless
// some of them are left out: see partialSort.
func (q *geoQuery) sort(f *geoFound) {
	keep := len(f.points)
	if q.count > 0 {
		keep = int(min(int64(keep), q.count))
	}
	compare := func(a, b *geoPoint) int {
		if q.order == geoFarthestFirst {
			a, b = b, a
		}
		return cmp.Compare(a.dist, b.dist)
	}
	switch {
	case q.order == geoUnsorted:
	case keep < len(f.points):
		partialSort(f.points, 0, keep-1, compare)
	default:
		// What was found earlier has its bytes further in front.
		slices.SortFunc(f.points, func(a, b geoPoint) int {
			if n := compare(&a, &b); n != 0 {
				return n
			}
			return cmp.Compare(a.from, b.from)
		})
	}
	f.points = f.points[:keep]
}
