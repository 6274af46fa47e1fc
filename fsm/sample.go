package fsm

import "slices"

// sample calls visit with k different numbers from [0, n), 0 <= k <= n. Every
// choice of k numbers is equally likely, not every order of them. It draws k
// times (Robert Floyd's algorithm) and takes memory for k numbers or n bits,
// whichever is less.
func (r *Rand) sample(n, k int, visit func(i int)) {
	has, add := chosen(n, k)
	for i := n - k; i < n; i++ {
		pick := r.IntN(i + 1)
		if has(pick) {
			pick = i // i itself can't have been drawn before
		}
		add(pick)
		visit(pick)
	}
}

// mapBits is about what a number in a map takes, in bits.
const mapBits = 256

// chosen returns an empty set for k numbers below n.
func chosen(n, k int) (has func(i int) bool, add func(i int)) {
	if k < n/mapBits {
		m := make(map[int]struct{}, k)
		return func(i int) bool { _, ok := m[i]; return ok }, func(i int) { m[i] = struct{}{} }
	}
	bits := make([]uint64, (n+63)/64)
	return func(i int) bool { return bits[i/64]>>(i%64)&1 != 0 }, func(i int) { bits[i/64] |= 1 << (i % 64) }
}

// emptyBulk is the size in bytes of the shortest bulk string in a reply.
const emptyBulk = len("$0\r\n\r\n")

// repeat replies an array of count draws with repetition, count > 0: one writes
// a draw, which adds each elements to the array.
//
// A count with repetition is the one place where a few bytes from a client ask
// for a reply of any size. Redis begins to write it and runs out of memory; here
// a reply of more than proto-max-bulk-len bytes (512 MiB by default), which no
// single value may exceed either, is refused with an error and nothing else.
func (c *ReadCall) repeat(count int64, each int, one func()) {
	limit := c.Limits().ProtoMaxBulkLen
	if count > int64(limit/(each*emptyBulk)) {
		c.Error(errReplyLimit)
		return
	}
	mark := c.Mark()
	c.Array(int(count) * each)
	for range count {
		one()
		if len(c.Buf)-mark > limit {
			c.Buf = slices.Clone(c.Buf[:mark]) // lets go of the rest
			c.Error(errReplyLimit)
			return
		}
	}
}
