//go:build !linux

package harness

import "syscall"

// childAttributes leaves the platform's defaults: only Linux can tie the life
// of a child to its parent.
func childAttributes() *syscall.SysProcAttr { return nil }
