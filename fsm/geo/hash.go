// Package geo is the mathematics of the geospatial commands: positions as
// 52-bit geohashes, the cells around a search area, and distances on a sphere.
// It knows nothing of keys, replies or sorted sets.
//
// All results are the same on every processor, because replicas store them:
// sums of products are rounded step by step, and the functions of
// trigonometry are the package's own (see exact.go).
package geo

import "math"

// The ranges of a position in degrees. The latitude's ends where the Mercator
// projection of EPSG:900913 ends.
const (
	MinLongitude, MaxLongitude = -180.0, 180.0
	MinLatitude, MaxLatitude   = -85.05112878, 85.05112878
)

// maxStep is the number of bits to a coordinate in a score: both together fit
// into the 53 bits of a double's significand.
const maxStep = 26

// Point is a position in degrees.
type Point struct{ Longitude, Latitude float64 }

// Valid reports whether the point lies in the ranges that can be stored.
func (p Point) Valid() bool {
	return p.Longitude >= MinLongitude && p.Longitude <= MaxLongitude &&
		p.Latitude >= MinLatitude && p.Latitude <= MaxLatitude
}

// Score returns the number that stands for the point in a sorted set: its
// geohash of 52 bits. The eastern and northern edges of the world give 53
// bits, as in Redis. p must be valid.
func (p Point) Score() float64 { return float64(encode(p, MinLatitude, MaxLatitude, maxStep).bits()) }

// FromScore returns the middle of the smallest cell that a score names. Any
// score gives a valid point: sorted sets can hold what GEOADD never wrote.
func FromScore(score float64) Point {
	a := cellOf(truncate(score), maxStep).area()
	return Point{
		min(max((a.west+a.east)/2, MinLongitude), MaxLongitude),
		min(max((a.south+a.north)/2, MinLatitude), MaxLatitude),
	}
}

// truncate converts a score to an integer as the compilers of x86-64 do for
// Redis, also where the language C leaves it open: negative numbers wrap.
func truncate(score float64) uint64 {
	const half = 1 << 63
	switch {
	case score >= -half && score < half:
		return uint64(int64(score))
	case score >= half && score < 2*half:
		return uint64(int64(score-half)) + half
	case score >= 2*half:
		return 0
	}
	return half
}

// Signed converts a score to a signed integer for WITHHASH, as x86-64 does: what
// doesn't fit is the smallest one.
func Signed(score float64) int64 {
	if score >= -(1<<63) && score < 1<<63 {
		return int64(score)
	}
	return math.MinInt64
}

// alphabet is that of geohashes in text, five bits to a letter.
const alphabet = "0123456789bcdefghjkmnpqrstuvwxyz"

// AppendText appends the standard geohash of the point that a score names:
// eleven letters, of which the last is always "0", because 52 bits make ten.
func AppendText(dst []byte, score float64) []byte {
	bits := encode(FromScore(score), -90, 90, maxStep).bits()
	for shift := 2*maxStep - 5; shift >= 0; shift -= 5 {
		dst = append(dst, alphabet[bits>>shift&31])
	}
	return append(dst, alphabet[0])
}

// cell is a square of the grid that cuts the world into 2^step columns and as
// many rows. At an edge of the world column or row can be one too large.
type cell struct {
	lon, lat uint32
	step     uint
}

// encode returns the cell that p lies in, when rows go from south to north.
func encode(p Point, south, north float64, step uint) cell {
	scale := float64(uint64(1) << step)
	row := (p.Latitude - south) / (north - south)
	column := (p.Longitude - MinLongitude) / (MaxLongitude - MinLongitude)
	return cell{uint32(column * scale), uint32(row * scale), step}
}

// cellOf returns the cell with an interleaved number.
func cellOf(bits uint64, step uint) cell {
	return cell{gather(bits >> 1), gather(bits), step}
}

// bits interleaves column and row; the row has the lowest bit.
func (c cell) bits() uint64 { return spread(c.lon)<<1 | spread(c.lat) }

// moved returns the cell so many columns and rows away. The world is round in
// both directions, as Redis has it.
func (c cell) moved(columns, rows int) cell {
	mask := uint32(1)<<c.step - 1
	if columns != 0 {
		c.lon = (c.lon + uint32(columns)) & mask
	}
	if rows != 0 {
		c.lat = (c.lat + uint32(rows)) & mask
	}
	return c
}

// scores returns the range of the scores of all points in the cell: from is
// part of it, to is not.
func (c cell) scores() (from, to float64) {
	shift := 2 * (maxStep - c.step)
	b := c.bits()
	return float64(b << shift), float64((b + 1) << shift)
}

// area is a rectangle in degrees.
type area struct{ west, south, east, north float64 }

func (c cell) area() area {
	n := float64(uint64(1) << c.step)
	longitude := func(column uint32) float64 {
		return MinLongitude + float64(float64(column)/n*(MaxLongitude-MinLongitude))
	}
	latitude := func(row uint32) float64 {
		return MinLatitude + float64(float64(row)/n*(MaxLatitude-MinLatitude))
	}
	return area{longitude(c.lon), latitude(c.lat), longitude(c.lon + 1), latitude(c.lat + 1)}
}

// spread puts the bits of n at the even places.
func spread(n uint32) uint64 {
	x := uint64(n)
	x = (x | x<<16) & 0x0000ffff0000ffff
	x = (x | x<<8) & 0x00ff00ff00ff00ff
	x = (x | x<<4) & 0x0f0f0f0f0f0f0f0f
	x = (x | x<<2) & 0x3333333333333333
	return (x | x<<1) & 0x5555555555555555
}

// gather takes the bits at the even places together.
func gather(x uint64) uint32 {
	x &= 0x5555555555555555
	x = (x | x>>1) & 0x3333333333333333
	x = (x | x>>2) & 0x0f0f0f0f0f0f0f0f
	x = (x | x>>4) & 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return uint32(x | x>>16)
}
