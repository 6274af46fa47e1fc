package geo

import "math"

// Shape is what a search covers: a circle, or a rectangle whose sides run
// along the compass, around a centre. Lengths are not negative and may be
// infinite.
type Shape struct {
	Center Point
	Box    bool
	Unit   float64 // of the lengths, in metres

	Radius        float64 // of a circle
	Width, Height float64 // of a box: from west to east, from south to north
}

// reach returns the distance in metres from the centre to the farthest point.
func (s *Shape) reach() float64 {
	if s.Box {
		return math.Sqrt(float64(s.Width/2*(s.Width/2))+float64(s.Height/2*(s.Height/2))) * s.Unit
	}
	return float64(s.Radius * s.Unit)
}

// halves returns how far the shape reaches from the centre to the east and to
// the north, in metres.
func (s *Shape) halves() (width, height float64) {
	if s.Box {
		return float64(s.Width*s.Unit) / 2, float64(s.Height*s.Unit) / 2
	}
	return float64(s.Radius * s.Unit), float64(s.Radius * s.Unit)
}

// Span is a range of scores, From included, To not.
type Span struct{ From, To float64 }

// world is half the earth's circumference, in metres as the projection has it.
const world = 20037726.37

// step returns how fine the grid must be so that nine of its cells cover the
// shape, and not finer. Near the poles cells are narrower.
func (s *Shape) step() uint {
	reach := s.reach()
	if reach == 0 {
		return maxStep
	}
	step := -1
	for ; reach < world; reach *= 2 {
		step++
	}
	switch lat := math.Abs(s.Center.Latitude); {
	case lat > 80:
		step -= 2
	case lat > 66:
		step--
	}
	return uint(min(max(step, 1), maxStep))
}

// bounds returns a rectangle in degrees around the shape, whose reach is at most
// a quarter of the way to the other side of the earth. As in Redis the width in
// degrees is that at the edge farther from the equator, and negative when that
// lies behind a pole.
func (s *Shape) bounds() area {
	width, height := s.halves()
	high := height / earthRadius / degree
	edge := s.Center.Latitude + high
	if s.Center.Latitude < 0 {
		edge = s.Center.Latitude - high
	}
	wide := width / earthRadius / cos(radians(edge)) / degree
	return area{s.Center.Longitude - wide, s.Center.Latitude - high, s.Center.Longitude + wide, s.Center.Latitude + high}
}

// neighbours are the cells around one, in the order in which they are searched.
var neighbours = [8]struct{ columns, rows int }{
	{0, 1}, {0, -1}, {1, 0}, {-1, 0}, {1, 1}, {-1, 1}, {1, -1}, {-1, -1},
}

// Spans appends the ranges of scores in which all points of the shape lie: those
// of the centre's cell and of the cells around it that the shape reaches, in
// the order in which Redis searches them, which shows when nothing is sorted.
func (s *Shape) Spans(dst []Span) []Span {
	step := s.step()
	home := encode(s.Center, MinLatitude, MaxLatitude, step)
	var far area
	if step > 1 {
		far = s.bounds()
		if home.moved(0, 1).area().north < far.north || home.moved(0, -1).area().south > far.south ||
			home.moved(1, 0).area().east < far.east || home.moved(-1, 0).area().west > far.west {
			step--
			home = encode(s.Center, MinLatitude, MaxLatitude, step)
		}
	}
	here := home.area()
	from, to := home.scores()
	dst = append(dst, Span{from, to})
	last := cell{}
	for _, n := range neighbours {
		if step > 1 && (n.rows < 0 && here.south < far.south || n.rows > 0 && here.north > far.north ||
			n.columns < 0 && here.west < far.west || n.columns > 0 && here.east > far.east) {
			continue
		}
		c := home.moved(n.columns, n.rows)
		if c == last {
			continue // there are only two columns and rows
		}
		last = c
		from, to := c.scores()
		dst = append(dst, Span{from, to})
	}
	return dst
}

// Finder tells which points lie in a shape. It is made for many of them.
type Finder struct {
	center        Point
	box           bool
	width, height float64 // from the centre to an edge, metres; or the radius twice
	lat, cosLat   float64 // the centre's latitude in radians, and its cosine
}

// NewFinder returns a finder for a shape.
func NewFinder(s *Shape) *Finder {
	f := &Finder{center: s.Center, box: s.Box, lat: radians(s.Center.Latitude)}
	f.cosLat = cos(f.lat)
	f.width, f.height = s.halves()
	return f
}

// An estimated distance is wrong by less than a part in ten million, which is
// ten times what it is in the worst case, near the other side of the earth.
func surelyBeyond(estimate, limit float64) bool { return estimate > limit*(1+1e-7)+1e-3 }

// Distance returns the distance of p from the centre in metres and whether p
// lies in the shape. Most points that don't are told by a cheap estimate.
func (f *Finder) Distance(p Point) (float64, bool) {
	up := latitudeDistance(f.center.Latitude, p.Latitude)
	if f.box {
		beside := Point{f.center.Longitude, p.Latitude}
		if up > f.height || surelyBeyond(f.estimate(p, radians(p.Latitude)), f.width) || Distance(p, beside) > f.width {
			return 0, false
		}
	} else if surelyBeyond(up, f.height) || surelyBeyond(f.estimate(p, f.lat), f.width) {
		return 0, false
	}
	v := sin((radians(p.Longitude) - radians(f.center.Longitude)) / 2)
	d := up
	if v != 0 {
		lat := radians(p.Latitude)
		d = haversine(sin((lat-f.lat)/2), v, f.cosLat, cos(lat))
	}
	return d, f.box || d <= f.width
}

// estimate returns about the distance of p from the point on the centre's
// meridian that has the latitude lat, in radians.
func (f *Finder) estimate(p Point, lat float64) float64 {
	latP := radians(p.Latitude)
	u := math.Sin((latP - lat) / 2)
	v := math.Sin((radians(p.Longitude) - radians(f.center.Longitude)) / 2)
	return 2 * earthRadius * math.Asin(min(math.Sqrt(u*u+math.Cos(lat)*math.Cos(latP)*v*v), 1))
}
