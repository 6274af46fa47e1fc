//go:build !faults

package fault

// Point is a place where the process can be ended.
func Point(string) {}

// Error returns what an operation fails with, nil in an ordinary build.
func Error(string) error { return nil }

// SegmentBytes returns the size of the log's segments, given the ordinary one.
func SegmentBytes(n int64) int64 { return n }
