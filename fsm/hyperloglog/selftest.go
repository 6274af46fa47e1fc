package hyperloglog

import (
	"encoding/binary"
	"fmt"
	"math"
)

// SelfTest checks that registers keep what is written into them, and that
// estimates of up to a million elements are as good as the theory says, and the
// same dense and sparse. It takes a tenth of a second. What it adds is drawn
// from the seed; one seed in some hundred thousand makes a right implementation fail.
func SelfTest(seed uint64, sparseMax int) error {
	if err := testRegisters(seed); err != nil {
		return err
	}
	return testEstimates(seed, sparseMax)
}

func testRegisters(seed uint64) error {
	const rounds = 20
	var want [Registers]byte
	r := make([]byte, DenseSize-headerSize)
	for range rounds {
		for i := range want {
			seed = seed*6364136223846793005 + 1442695040888963407
			want[i] = byte(seed>>40) & registerMask
			denseSet(r, i, want[i])
		}
		for i := range want {
			if got := denseGet(r, i); got != want[i] {
				return fmt.Errorf("Register %d should be %d but is %d", i, want[i], got)
			}
		}
	}
	return nil
}

func testEstimates(seed uint64, sparseMax int) error {
	const last = 1_000_000
	sparse := New()
	dense, err := ToDense(sparse)
	if err != nil {
		return err
	}
	standard := 1.04 / math.Sqrt(Registers)
	checkpoint := uint64(1)
	var element [8]byte
	for n := uint64(1); n <= last; n++ {
		binary.LittleEndian.PutUint64(element[:], n^seed)
		if dense, _, err = Add(dense, element[:], sparseMax); err != nil {
			return err
		}
		if sparse, _, err = Add(sparse, element[:], sparseMax); err != nil {
			return err
		}
		if n != checkpoint {
			continue
		}
		if n < uint64(max(sparseMax, 0))/2 && EncodingOf(sparse) != Sparse {
			return fmt.Errorf("sparse encoding not used")
		}
		a, err := Count(dense)
		if err != nil {
			return err
		}
		b, err := Count(sparse)
		if err != nil {
			return err
		}
		if a != b {
			return fmt.Errorf("dense/sparse disagree")
		}
		off := math.Abs(float64(a) - float64(n))
		// A collision among the first ten is rare, but not rare enough.
		if bound := max(math.Ceil(standard*6*float64(n)), 1); off > bound {
			return fmt.Errorf("Too big error. card:%d abserr:%.0f", n, off)
		}
		checkpoint *= 10
	}
	return nil
}
