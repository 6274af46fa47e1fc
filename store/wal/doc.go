// Package wal is the log of a node: one append-only, checksummed, segmented file
// that all groups share, so that one sync serves every group that is waiting.
// Each group sees it as a raft.LogStore of its own. Term and vote live elsewhere.
//
// # On disk
//
// The directory holds segments, <sequence>.log, named after the first batch in
// them, and a few spare files that become the next segments. A segment is
// filled with zeros when it is made, so that a sync later needs no metadata. It
// is a run of batches; one batch is what one sync made durable. A batch begins
// at a multiple of 512 bytes, so that no synced sector is ever written again;
// it is written past the page cache where that is possible
// (docs/decisions/0016-direct-writes.md):
//
//	"QLOG1\r\n\x00"   8 bytes
//	sequence          8 bytes, little endian as all numbers; counts from 1
//	length            4 bytes, of the records
//	CRC-32C           4 bytes, of sequence, length and records
//	records           see record.go
//
// A batch is written only after the one before it was synced. So an invalid
// batch with none behind it is the torn end of a crash and is forgotten; an
// invalid batch with a valid one behind it is damage, and the log refuses to
// open, naming file and offset. After a failed write or sync the log is dead and
// the process must end: the segment is not used again before it was read back.
//
// # In memory
//
// For each group the place of each entry. Segments are deleted oldest first
// when nothing in them is needed; entries of an idle group that alone keep an
// old segment are copied to the end.
package wal
