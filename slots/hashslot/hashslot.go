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
	return crc16(key) % Count
}

// crc16 is CRC16 XMODEM (polynomial 0x1021, initial value 0), eight bytes at a
// time: every command's key goes through it, often more than once.
func crc16(b []byte) (crc uint16) {
	for len(b) >= 8 {
		crc = tables[7][b[0]^byte(crc>>8)] ^ tables[6][b[1]^byte(crc)] ^
			tables[5][b[2]] ^ tables[4][b[3]] ^ tables[3][b[4]] ^ tables[2][b[5]] ^ tables[1][b[6]] ^ tables[0][b[7]]
		b = b[8:]
	}
	for _, c := range b {
		crc = crc<<8 ^ tables[0][byte(crc>>8)^c]
	}
	return crc
}

// tables[i][c] is what the byte c contributes when i more bytes follow it.
var tables = func() (t [8][256]uint16) {
	for c := range t[0] {
		crc := uint16(c) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
		t[0][c] = crc
	}
	for i := 1; i < len(t); i++ {
		for c, crc := range t[i-1] {
			t[i][c] = crc<<8 ^ t[0][crc>>8]
		}
	}
	return t
}()
