package admin

import "testing"

// TestNoFileOfPart: a process that ends before it has read its log leaves the RDB file
// alone: it would hold a part of the data.
func TestNoFileOfPart(t *testing.T) {
	if err := (&Admin{}).SaveAtEnd(); err != nil {
		t.Error(err)
	}
}
