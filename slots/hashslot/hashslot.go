// Package hashslot maps keys to the 16384 hash slots of Redis Cluster.
package hashslot

import "bytes"

// Count is the number of slots.
const Count = 16384

// Of returns the slot of key: CRC16 (XMODEM) of the key, or of the part between
// the first "{" and the next "}" if there is something between them, modulo
// 16384. Source: Redis Cluster specification, "Hash tags".
func Of(key []byte) uint16 {
	if open := bytes.IndexByte(key, '{'); open >= 0 {
		if n := bytes.IndexByte(key[open+1:], '}'); n > 0 {
			key = key[open+1 : open+1+n]
		}
	}
	var crc uint16
	for _, b := range key {
		crc = crc<<8 ^ table[byte(crc>>8)^b]
	}
	return crc % Count
}

var table = func() (t [256]uint16) {
	for i := range t {
		crc := uint16(i) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
		t[i] = crc
	}
	return t
}()
