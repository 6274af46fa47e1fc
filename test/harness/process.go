// Package harness starts real server processes for tests and benchmarks:
// Quorate clusters, and the servers they are compared with. Every process has
// its own directory, log file and free port, and dies with the test.
package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is one server process that can be stopped, killed and started again
// with the same arguments. Safe for concurrent use.
type Process struct {
	name string // for messages and the log file
	path string
	args []string
	env  []string // beside the harness's own

	extra []string // see SetEnv
	more  []string // see SetArgs
	dir   string

	mu      sync.Mutex
	cmd     *exec.Cmd     // nil while not running
	done    chan struct{} // closed when cmd has exited
	waitErr error         // how cmd exited; valid once done is closed
	ordered bool          // the exit was asked for, by Kill or Stop
}

// NewProcess describes a process without starting it. dir is created if
// missing; it becomes the working directory.
func NewProcess(name, dir, path string, args ...string) *Process {
	return &Process{name: name, path: path, args: args, dir: dir}
}

// Name returns the name given to NewProcess.
func (p *Process) Name() string { return p.name }

// LogPath is the file that collects standard output and error of all starts.
func (p *Process) LogPath() string { return filepath.Join(filepath.Dir(p.dir), p.name+".log") }

// SetEnv adds to the environment of the starts that follow, in place of what an
// earlier call has added.
func (p *Process) SetEnv(env ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.extra = env
}

// SetArgs adds to the command line of the starts that follow, in place of what an
// earlier call has added.
func (p *Process) SetArgs(args ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.more = args
}

// Exited returns a channel that closes when the process of the last start has
// ended. An exit that the test wants is no crash.
func (p *Process) Exited() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ordered = true
	return p.done
}

// Start starts the process; it is an error if it is still running.
func (p *Process) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.runningLocked() {
		return fmt.Errorf("start %s: already running", p.name)
	}
	if err := os.MkdirAll(p.dir, 0o755); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	log, err := os.OpenFile(p.LogPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	defer log.Close() // the child has its own descriptor
	cmd := exec.Command(p.path, append(slices.Clone(p.args), p.more...)...)
	cmd.Env = append(append(os.Environ(), p.env...), p.extra...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, log, log
	cmd.SysProcAttr = childAttributes()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	done := make(chan struct{})
	p.cmd, p.done, p.ordered = cmd, done, false
	// Owned by the Process. Ends when the child does, which Kill and Stop see to.
	go func() {
		err := cmd.Wait()
		p.mu.Lock()
		p.waitErr = err
		p.mu.Unlock()
		close(done)
	}()
	return nil
}

func (p *Process) runningLocked() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Running reports whether the process has been started and has not exited.
func (p *Process) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.runningLocked()
}

// Pid returns the process id, or 0 while the process is not running.
func (p *Process) Pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.runningLocked() {
		return 0
	}
	return p.cmd.Process.Pid
}

// Signal sends sig to a running process.
func (p *Process) Signal(sig os.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.runningLocked() {
		return fmt.Errorf("signal %s: not running", p.name)
	}
	return p.cmd.Process.Signal(sig)
}

// Kill ends the process with SIGKILL and waits until it is gone. A process
// that is not running is left as it is.
func (p *Process) Kill() error {
	p.mu.Lock()
	if !p.runningLocked() {
		p.mu.Unlock()
		return nil
	}
	done := p.done
	p.ordered = true
	err := p.cmd.Process.Kill()
	p.mu.Unlock()
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	<-done
	return nil
}

// Stop sends SIGTERM and waits. A process that has not left after grace is
// killed, and that is an error.
func (p *Process) Stop(grace time.Duration) error {
	p.mu.Lock()
	if !p.runningLocked() {
		p.mu.Unlock()
		return nil
	}
	done := p.done
	p.ordered = true
	err := p.cmd.Process.Signal(syscall.SIGTERM)
	p.mu.Unlock()
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	select {
	case <-done:
		return nil
	case <-time.After(grace):
		return errors.Join(fmt.Errorf("stop %s: still running %v after SIGTERM", p.name, grace), p.Kill())
	}
}

// Crashed returns an error if the process has exited although neither Kill nor
// Stop asked it to.
func (p *Process) Crashed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || p.runningLocked() || p.ordered {
		return nil
	}
	if p.waitErr == nil {
		return fmt.Errorf("%s has exited by itself with status 0", p.name)
	}
	return fmt.Errorf("%s has exited by itself: %w", p.name, p.waitErr)
}

// ExitCode returns the status of the last exit: -1 if a signal ended the
// process, or if it has not exited.
func (p *Process) ExitCode() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || p.runningLocked() {
		return -1
	}
	return p.cmd.ProcessState.ExitCode()
}

// Dir returns the process's directory.
func (p *Process) Dir() string { return p.dir }

// Wipe removes everything in the directory of a process that is not running.
func (p *Process) Wipe() error {
	if p.Running() {
		return fmt.Errorf("wipe %s: still running", p.name)
	}
	return errors.Join(os.RemoveAll(p.dir), os.MkdirAll(p.dir, 0o755))
}

// LogTail returns the last lines of the log.
func (p *Process) LogTail(lines int) string {
	text, err := os.ReadFile(p.LogPath())
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
