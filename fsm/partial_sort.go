package fsm

import (
	"math/bits"
	"slices"
)

// partialSort brings the elements that belong at positions from first to last
// (included) there, in order, and leaves the others in some order.
//
// It is the quicksort of Bentley and McIlroy ("Engineering a Sort Function",
// Software: Practice and Experience 23, 1993), which skips the parts that lie
// outside: what Redis uses for SORT ... BY ... LIMIT and for GEOSEARCH ... COUNT.
// Elements that compare as equal come out in the order that this algorithm
// happens to give them, and clients can see it: the choice of the pivot and the
// way in which elements are exchanged follow the paper. A sequence made to
// defeat that choice doesn't make it slow: too many bad splits end in another
// algorithm.
func partialSort[E any](s []E, first, last int, compare func(a, b *E) int) {
	sortPart(s, first, last, 4*bits.Len(uint(len(s))), compare)
}

// sortPart is partialSort with at most so many splits inside each other.
func sortPart[E any](s []E, first, last, depth int, compare func(a, b *E) int) {
	lo, hi := 0, len(s) // the part that is sorted now
	for ; ; depth-- {
		a := s[lo:hi]
		n := len(a)
		if depth == 0 {
			slices.SortStableFunc(a, func(x, y E) int { return compare(&x, &y) })
			return
		}
		if n < 7 {
			for i := 1; i < n; i++ {
				for j := i; j > 0 && compare(&a[j-1], &a[j]) > 0; j-- {
					a[j-1], a[j] = a[j], a[j-1]
				}
			}
			return
		}
		less, greater := split(a, compare)
		if less > 1 && first < lo+less && last >= lo {
			sortPart(a[:less], first-lo, last-lo, depth-1, compare)
		}
		if greater <= 1 || first >= hi || last < hi-greater {
			return
		}
		lo = hi - greater
	}
}

// split brings the elements less than a pivot to the front of a, those greater
// than it to the end, and returns how many there are of either.
func split[E any](a []E, compare func(a, b *E) int) (less, greater int) {
	n := len(a)
	p := pivot(a, compare)
	a[0], a[p] = a[p], a[0]
	// Equal elements gather at both ends, and come to the middle afterwards.
	left, i, j, right := 1, 1, n-1, n-1
	for {
		for i <= j {
			c := compare(&a[i], &a[0])
			if c > 0 {
				break
			}
			if c == 0 {
				a[left], a[i] = a[i], a[left]
				left++
			}
			i++
		}
		for i <= j {
			c := compare(&a[j], &a[0])
			if c < 0 {
				break
			}
			if c == 0 {
				a[j], a[right] = a[right], a[j]
				right--
			}
			j--
		}
		if i > j {
			break
		}
		a[i], a[j] = a[j], a[i]
		i++
		j--
	}
	exchange(a, 0, i, min(left, i-left))
	exchange(a, i, n, min(right-j, n-1-right))
	return i - left, right - j
}

// exchange swaps the k elements from position from on with the k in front of
// position end.
func exchange[E any](a []E, from, end, k int) {
	for x := range k {
		a[from+x], a[end-k+x] = a[end-k+x], a[from+x]
	}
}

// pivot returns the position of the middle element, of the median of three, or
// of the median of three such medians, as a is small, larger or large.
func pivot[E any](a []E, compare func(a, b *E) int) int {
	n := len(a)
	mid := n / 2
	if n == 7 {
		return mid
	}
	median := func(i, j, k int) int {
		if compare(&a[i], &a[j]) < 0 {
			switch {
			case compare(&a[j], &a[k]) < 0:
				return j
			case compare(&a[i], &a[k]) < 0:
				return k
			}
			return i
		}
		switch {
		case compare(&a[j], &a[k]) > 0:
			return j
		case compare(&a[i], &a[k]) < 0:
			return i
		}
		return k
	}
	low, high := 0, n-1
	if n > 40 {
		d := n / 8
		low = median(low, low+d, low+2*d)
		mid = median(mid-d, mid, mid+d)
		high = median(high-2*d, high-d, high)
	}
	return median(low, mid, high)
}
