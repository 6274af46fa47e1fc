//go:build !linux

package e2e

import "testing"

func smallDisk(t *testing.T, _ string) string {
	t.Helper()
	t.Skip("small disks are made on Linux only")
	return ""
}

func fillDisk(t *testing.T, _ string) { t.Helper() }

// isPaused can't be told here: a test that pauses nodes may see one answer once more.
func isPaused(int) error { return nil }
