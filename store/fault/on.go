//go:build faults

package fault

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

var plan = sync.OnceValue(func() (p struct {
	action, point string
	n             int
}) {
	text := os.Getenv("QUORATE_FAULT")
	if text == "" {
		return p
	}
	first, last := strings.IndexByte(text, ':'), strings.LastIndexByte(text, ':')
	if first < 0 || first == last {
		panic("QUORATE_FAULT is ACTION:POINT:N")
	}
	p.action, p.point = text[:first], text[first+1:last]
	n, err := strconv.Atoi(text[last+1:])
	if err != nil || !slices.Contains(map[string][]string{"kill": Points, "error": Errors}[p.action], p.point) {
		panic("QUORATE_FAULT: no such fault: " + text)
	}
	p.n = n
	return p
})

var (
	mu   sync.Mutex
	seen = map[string]int{}
)

func reached(action, point string) bool {
	p := plan()
	if p.action != action || p.point != point {
		return false
	}
	mu.Lock()
	defer mu.Unlock()
	seen[point]++
	return seen[point] >= p.n
}

// Point is a place where the process can be ended.
func Point(name string) {
	if !slices.Contains(Points, name) {
		panic("fault: unlisted point " + name)
	}
	if reached("kill", name) {
		fmt.Fprintln(os.Stderr, "fault: killed at", name)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// Error returns what an operation fails with, or nil.
func Error(name string) error {
	if !slices.Contains(Errors, name) {
		panic("fault: unlisted operation " + name)
	}
	if reached("error", name) {
		return syscall.EIO
	}
	return nil
}

// SegmentBytes returns the size of the log's segments, given the ordinary one.
func SegmentBytes(n int64) int64 {
	if small, err := strconv.ParseInt(os.Getenv("QUORATE_FAULT_SEGMENT"), 10, 64); err == nil {
		return small
	}
	return n
}
