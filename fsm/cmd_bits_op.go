package fsm

import (
	"encoding/binary"

	"github.com/quorate/quorate/fsm/keyspace"
)

// bitop implements BITOP operation destkey key [key ...]. Reply: the length of
// the result, which is that of the longest source.
//
// Source: Redis 7.0 docs for BITOP. Shorter sources go on with zero bytes, and a
// missing key is an empty string. An empty result deletes the destination.
func bitop(c *WriteCall) {
	var combine func(dst, src []byte)
	op := c.Args[1]
	switch {
	case isWord(op, "AND"):
		combine = andBits
	case isWord(op, "OR"):
		combine = orBits
	case isWord(op, "XOR"):
		combine = xorBits
	case !isWord(op, "NOT"):
		c.Error(errSyntax)
		return
	case len(c.Args) != 4:
		c.Error(errBitopNot)
		return
	}
	sources := make([][]byte, len(c.Args)-3)
	length := 0
	for i, key := range c.Args[3:] {
		e, ok := c.take(key, keyspace.KindString)
		if !ok {
			return
		}
		if e != nil {
			sources[i] = e.Str(nil)
			length = max(length, len(sources[i]))
		}
	}
	dest := c.Args[2]
	if length == 0 {
		if c.remove(dest) {
			c.changed('g', "del", dest)
		}
		c.Int(0)
		return
	}
	result := make([]byte, length)
	copy(result, sources[0])
	if combine == nil {
		notBits(result)
	} else {
		for _, s := range sources[1:] {
			combine(result, s)
		}
	}
	c.put(dest, keyspace.NewOwnedString(result))
	c.changed('$', "set", dest)
	c.Int(int64(length))
}

// andBits is dst AND src, which isn't longer.
func andBits(dst, src []byte) {
	clear(dst[len(src):])
	for ; len(src) >= 8; dst, src = dst[8:], src[8:] {
		binary.NativeEndian.PutUint64(dst, binary.NativeEndian.Uint64(dst)&binary.NativeEndian.Uint64(src))
	}
	for i, b := range src {
		dst[i] &= b
	}
}

// orBits is dst OR src, which isn't longer.
func orBits(dst, src []byte) {
	for ; len(src) >= 8; dst, src = dst[8:], src[8:] {
		binary.NativeEndian.PutUint64(dst, binary.NativeEndian.Uint64(dst)|binary.NativeEndian.Uint64(src))
	}
	for i, b := range src {
		dst[i] |= b
	}
}

// xorBits is dst XOR src, which isn't longer.
func xorBits(dst, src []byte) {
	for ; len(src) >= 8; dst, src = dst[8:], src[8:] {
		binary.NativeEndian.PutUint64(dst, binary.NativeEndian.Uint64(dst)^binary.NativeEndian.Uint64(src))
	}
	for i, b := range src {
		dst[i] ^= b
	}
}

// notBits is NOT dst.
func notBits(dst []byte) {
	for ; len(dst) >= 8; dst = dst[8:] {
		binary.NativeEndian.PutUint64(dst, ^binary.NativeEndian.Uint64(dst))
	}
	for i := range dst {
		dst[i] = ^dst[i]
	}
}
