package wal

import (
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/hashicorp/raft"
)

// A record is one step in the history of a group's log:
//
//	group 4, kind 1, index 8, and for an entry or a copy:
//	term 8, type 1, appended 8 (Unix ns, 0: not known), length of extensions 4,
//	length of data 4, extensions, data
type kind byte

const (
	kindEntry    kind = iota + 1 // index is the last one now: what was behind it is gone
	kindCopy                     // an older entry, written again so that its segment can go
	kindTruncate                 // entries from index on are gone
	kindTrim                     // entries up to index are gone
	kindDrop                     // everything of the group is gone
)

const (
	recordHead = 4 + 1 + 8
	entryHead  = 8 + 1 + 8 + 4 + 4
)

var errRecord = errors.New("malformed record")

func appendMark(dst []byte, group uint32, k kind, index uint64) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, group)
	dst = append(dst, byte(k))
	return binary.LittleEndian.AppendUint64(dst, index)
}

func appendEntry(dst []byte, group uint32, k kind, l *raft.Log) []byte {
	dst = appendMark(dst, group, k, l.Index)
	dst = binary.LittleEndian.AppendUint64(dst, l.Term)
	dst = append(dst, byte(l.Type))
	appended := int64(0)
	if !l.AppendedAt.IsZero() {
		appended = l.AppendedAt.UnixNano()
	}
	dst = binary.LittleEndian.AppendUint64(dst, uint64(appended))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(l.Extensions)))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(l.Data)))
	dst = append(dst, l.Extensions...)
	return append(dst, l.Data...)
}

func entrySize(l *raft.Log) int { return recordHead + entryHead + len(l.Extensions) + len(l.Data) }

// record is a parsed record; the slices are those of the batch.
type record struct {
	group uint32
	kind  kind
	index uint64
	size  int // in the batch
	log   raft.Log
}

// parseRecord reads the record at the beginning of b.
func parseRecord(b []byte) (r record, err error) {
	if len(b) < recordHead {
		return r, errRecord
	}
	r.group = binary.LittleEndian.Uint32(b)
	r.kind = kind(b[4])
	r.index = binary.LittleEndian.Uint64(b[5:])
	r.size = recordHead
	switch r.kind {
	case kindTruncate, kindTrim, kindDrop:
		return r, nil
	case kindEntry, kindCopy:
		if r.index == 0 || r.index == math.MaxUint64 {
			return r, errRecord
		}
	default:
		return r, errRecord
	}
	b = b[recordHead:]
	if len(b) < entryHead {
		return r, errRecord
	}
	r.log.Index = r.index
	r.log.Term = binary.LittleEndian.Uint64(b)
	r.log.Type = raft.LogType(b[8])
	if at := int64(binary.LittleEndian.Uint64(b[9:])); at != 0 {
		r.log.AppendedAt = time.Unix(0, at)
	}
	ext, data := uint64(binary.LittleEndian.Uint32(b[17:])), uint64(binary.LittleEndian.Uint32(b[21:]))
	b = b[entryHead:]
	if ext+data > uint64(len(b)) {
		return r, errRecord
	}
	if ext > 0 {
		r.log.Extensions = b[:ext:ext]
	}
	r.log.Data = b[ext : ext+data : ext+data]
	r.size += entryHead + int(ext+data)
	return r, nil
}
