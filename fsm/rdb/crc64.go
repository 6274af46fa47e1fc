package rdb

import "github.com/quorate/quorate/fsm/crc64"

// jones is the polynomial of RDB's checksum ("Jones"), bits reversed. The
// register starts at zero and nothing is inverted.
var jones = crc64.New(0x95ac9329ac4bc9b5)

// CRC64 continues the checksum crc (zero at the start) over p.
func CRC64(crc uint64, p []byte) uint64 { return jones.Update(crc, p) }
