// Package rdb reads and writes RDB, the file format of Redis snapshots, and
// the payloads of DUMP and RESTORE, which are one value of it.
//
// Written is version 10, that of Redis 7.0: redis-check-rdb accepts it and a
// stock redis-server loads it. Read are the versions 1 to 12 as far as the plain
// data types, streams and functions go; what modules have written is refused by name.
//
//	"REDIS0010"
//	AUX <name> <value>                        any number
//	SELECTDB <n>  RESIZEDB <keys> <expires>   hints
//	FUNCTION2 <code>                          any number
//	[EXPIRETIME_MS <8 bytes>] [IDLE <seconds>] [FREQ <1 byte>] <type> <key> <value>
//	EOF <CRC-64 of everything before it, 8 bytes>
//
// Input is not trusted. Memory grows with the bytes that were really read,
// never with a length or count that they claim, and every value is checked
// before it becomes one: order, duplicates, NaN, counts.
package rdb
