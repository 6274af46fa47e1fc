package hyperloglog

import "math"

// The estimate is that of Otmar Ertl, "New cardinality estimation algorithms for
// HyperLogLog sketches" (arXiv:1702.01284), from how many registers have each
// count. Products are rounded before they are added to, so that every processor
// comes to the same estimate.

// histogram counts registers by their count. Dense registers that a client wrote
// can hold more than maxCount; like Redis we leave those out of the sum.
type histogram [1 << registerBits]int

// Count estimates the number of elements in a valid value.
func Count(b []byte) (uint64, error) {
	var h histogram
	if EncodingOf(b) == Dense {
		h.dense(b[headerSize:])
		return h.estimate(), nil
	}
	if err := eachRun(b, func(_, length int, count byte) { h[count] += length }); err != nil {
		return 0, err
	}
	return h.estimate(), nil
}

// CountAll estimates the number of elements that gave the registers.
func CountAll(all *[Registers]byte) uint64 {
	var h histogram
	for _, count := range all {
		h[count&registerMask]++
	}
	return h.estimate()
}

// dense counts 4 registers in 3 bytes at a time.
func (h *histogram) dense(r []byte) {
	for ; len(r) >= 3; r = r[3:] {
		v := uint32(r[0]) | uint32(r[1])<<8 | uint32(r[2])<<16
		h[v&63]++
		h[v>>6&63]++
		h[v>>12&63]++
		h[v>>18]++
	}
}

func (h *histogram) estimate() uint64 {
	const m = float64(Registers)
	const alpha = 0.721347520444481703680 // 1/(2 ln 2)
	z := m * tau((m-float64(h[maxCount]))/m)
	for i := maxCount - 1; i >= 1; i-- {
		z = (z + float64(h[i])) * 0.5
	}
	z += float64(m * sigma(float64(h[0])/m))
	e := math.Round(alpha * m * m / z)
	if !(e < 1<<63) {
		return 1 << 63 // what llroundl gives on x86 if all registers are beyond the largest count
	}
	return uint64(e)
}

// sigma is the sum x + x^2 + 2x^4 + 4x^8 ... of the paper.
func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for {
		x *= x
		last := z
		z += float64(x * y)
		y += y
		if z == last {
			return z
		}
	}
}

// tau is the paper's function for the registers that are full.
func tau(x float64) float64 {
	if x == 0 || x == 1 {
		return 0
	}
	y, z := 1.0, 1-x
	for {
		x = math.Sqrt(x)
		last := z
		y *= 0.5
		d := 1 - x
		z -= float64(float64(d*d) * y)
		if z == last {
			return z / 3
		}
	}
}
