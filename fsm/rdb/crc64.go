package rdb

import "encoding/binary"

// jones is the polynomial of RDB's checksum ("Jones"), bits reversed. The
// register starts at zero and nothing is inverted.
const jones = 0x95ac9329ac4bc9b5

// crcTables are the tables of the "slicing by 8" method: table k moves a byte
// k bytes further through the register.
var crcTables = func() (t [8][256]uint64) {
	for i := range t[0] {
		crc := uint64(i)
		for range 8 {
			low := crc & 1
			crc >>= 1
			if low != 0 {
				crc ^= jones
			}
		}
		t[0][i] = crc
	}
	for k := 1; k < 8; k++ {
		for i := range t[k] {
			before := t[k-1][i]
			t[k][i] = before>>8 ^ t[0][byte(before)]
		}
	}
	return t
}()

// CRC64 continues the checksum crc (zero at the start) over p.
func CRC64(crc uint64, p []byte) uint64 {
	t := &crcTables
	for ; len(p) >= 8; p = p[8:] {
		crc ^= binary.LittleEndian.Uint64(p)
		crc = t[7][byte(crc)] ^ t[6][byte(crc>>8)] ^ t[5][byte(crc>>16)] ^ t[4][byte(crc>>24)] ^
			t[3][byte(crc>>32)] ^ t[2][byte(crc>>40)] ^ t[1][byte(crc>>48)] ^ t[0][crc>>56]
	}
	for _, b := range p {
		crc = crc>>8 ^ t[0][byte(crc)^b]
	}
	return crc
}
