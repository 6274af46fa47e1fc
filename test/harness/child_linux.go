package harness

import "syscall"

// childAttributes puts a child in a process group of its own, so that Ctrl-C
// reaches the test alone, which then stops its children in order; and has the
// kernel kill it should the test die without doing so.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
