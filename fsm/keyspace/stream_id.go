package keyspace

import (
	"math"
	"strconv"
)

// StreamID identifies an entry of a stream. IDs are ordered by time, then by
// sequence number. The zero value, 0-0, comes before the ID of any entry.
type StreamID struct {
	MS  uint64 // Unix time in ms, by convention
	Seq uint64
}

// MaxStreamID is the largest ID there is.
var MaxStreamID = StreamID{math.MaxUint64, math.MaxUint64}

// Less reports whether id comes before other.
func (id StreamID) Less(other StreamID) bool {
	return id.MS < other.MS || id.MS == other.MS && id.Seq < other.Seq
}

// IsZero reports whether id is 0-0.
func (id StreamID) IsZero() bool { return id == StreamID{} }

// Next returns the ID that follows, and false with 0-0 behind the last one.
func (id StreamID) Next() (StreamID, bool) {
	switch {
	case id == MaxStreamID:
		return StreamID{}, false
	case id.Seq == math.MaxUint64:
		return StreamID{MS: id.MS + 1}, true
	}
	return StreamID{id.MS, id.Seq + 1}, true
}

// Prev returns the ID before, and false with the largest one before 0-0.
func (id StreamID) Prev() (StreamID, bool) {
	switch {
	case id.IsZero():
		return MaxStreamID, false
	case id.Seq == 0:
		return StreamID{id.MS - 1, math.MaxUint64}, true
	}
	return StreamID{id.MS, id.Seq - 1}, true
}

// Append appends the ID as text, "ms-seq".
func (id StreamID) Append(dst []byte) []byte {
	dst = strconv.AppendUint(dst, id.MS, 10)
	dst = append(dst, '-')
	return strconv.AppendUint(dst, id.Seq, 10)
}

// String returns the ID as text, "ms-seq".
func (id StreamID) String() string { return string(id.Append(nil)) }
