// Package wal is the log of a node: one append-only, checksummed, segmented file
// that all groups share, so that one sync serves every group that is waiting.
// Each group sees it as a raft.LogStore of its own. Term and vote live elsewhere.
//
// # On disk
//
// The directory holds segments, <sequence>.log, named after the first batch in
// them, and a few spare files that become the next segments. A segment is
// filled with zeros when it is made, so that a sync later needs no metadata, and
// has its name only when it is complete and synced. It begins with a sector:
//
//	"QLOG2\r\n\x00"   8 bytes
//	salt              8 bytes, random, another one each time the file is used
//	size              8 bytes, of the file
//	CRC-32C           4 bytes, of these
//
// and goes on with a run of batches; one batch is what one sync made durable. It
// begins at a multiple of 512 bytes, so that no synced sector is ever written
// again; it is written past the page cache where that is possible
// (docs/decisions/0016-direct-writes.md):
//
//	salt              8 bytes, the segment's
//	sequence          8 bytes, little endian as all numbers; counts from 1
//	durable           8 bytes, the newest sequence that was synced before
//	length            8 bytes, of the records
//	CRC-32C           4 bytes, of all this and the records
//	records           see record.go
//
// A segment that is used again holds old batches, and values hold what clients
// like; neither can have the salt (docs/decisions/0020-salt.md).
//
// An invalid batch is the torn end of a crash and is forgotten, unless a valid one
// behind it says that it was synced, or another segment follows: that is damage, and
// the log refuses to open, naming file and offset. What can't be read is no end
// either. What is found is on the disk before it counts. After a failed write or
// sync the log is dead and the process must end: the segment is not used again
// before it was read back from the disk.
//
// # In memory
//
// For each group the place of each entry. Segments are deleted oldest first
// when nothing in them is needed; entries of an idle group that alone keep an
// old segment are copied to the end.
package wal
