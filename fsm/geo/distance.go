package geo

import "math"

// earthRadius is the sphere's radius in metres that Redis computes with.
const earthRadius = 6372797.560856

// degree is a degree in radians, rounded twice as in C: pi, then the quotient.
var degree = func(pi float64) float64 { return pi / 180 }(math.Pi)

func radians(degrees float64) float64 { return float64(degrees * degree) }

// Distance returns the length in metres of the shortest way from a to b on the
// sphere, by the haversine formula.
func Distance(a, b Point) float64 {
	v := sin((radians(b.Longitude) - radians(a.Longitude)) / 2)
	if v == 0 {
		return latitudeDistance(a.Latitude, b.Latitude)
	}
	u := sin((radians(b.Latitude) - radians(a.Latitude)) / 2)
	return haversine(u, v, cos(radians(a.Latitude)), cos(radians(b.Latitude)))
}

// haversine takes the sines of half the differences in latitude and longitude
// and the cosines of the two latitudes.
func haversine(u, v, cosA, cosB float64) float64 {
	h := float64(u*u) + float64(float64(float64(cosA*cosB)*v)*v)
	return float64(2 * earthRadius * asin(min(math.Sqrt(h), 1)))
}

// latitudeDistance returns the metres between two latitudes.
func latitudeDistance(a, b float64) float64 {
	return float64(earthRadius * math.Abs(radians(b)-radians(a)))
}
