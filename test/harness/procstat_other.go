//go:build !linux

package harness

import (
	"errors"
	"time"
)

var errNoProc = errors.New("figures of other processes need Linux's /proc")

// CPUTime is only available on Linux.
func CPUTime([]int) (time.Duration, error) { return 0, errNoProc }

// ResidentBytes is only available on Linux.
func ResidentBytes([]int) (int64, error) { return 0, errNoProc }

// PeakBytes is only available on Linux.
func PeakBytes([]int) (int64, error) { return 0, errNoProc }
