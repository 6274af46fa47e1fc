package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// facts describe the machine, so that figures can be judged later.
type facts struct {
	Date         string  `json:"date"`
	Cores        int     `json:"cores"`
	CPU          string  `json:"cpu"`
	MemoryMB     int64   `json:"memory_mb"`
	Kernel       string  `json:"kernel"`
	Go           string  `json:"go"`
	Redis        string  `json:"redis"`
	Etcd         string  `json:"etcd"`
	Dir          string  `json:"dir"`
	FsyncMicros  float64 `json:"fsync_median_us"`
	FsyncP99     float64 `json:"fsync_p99_us"`
	WritableSync int     `json:"fsyncs_measured"`
}

func gatherFacts(dir string) (facts, error) {
	f := facts{Date: time.Now().UTC().Format(time.DateOnly), Cores: runtime.NumCPU(), Go: runtime.Version(), Dir: dir,
		CPU: procValue("/proc/cpuinfo", "model name"), Kernel: firstLine(exec.Command("uname", "-srm")),
		Redis: firstLine(exec.Command("redis-server", "--version")), Etcd: firstLine(exec.Command("etcd", "--version"))}
	if _, err := fmt.Sscan(procValue("/proc/meminfo", "MemTotal"), &f.MemoryMB); err == nil {
		f.MemoryMB >>= 10
	}
	return f, f.measureFsync(dir)
}

// measureFsync appends 4 KiB and syncs, as a log would.
func (f *facts) measureFsync(dir string) (err error) {
	file, err := os.CreateTemp(dir, "quorate-bench-fsync-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()
	const rounds = 300
	took := make([]time.Duration, rounds)
	block := bytes.Repeat([]byte("x"), 4096)
	for i := range took {
		start := time.Now()
		if _, err := file.Write(block); err != nil {
			return err
		}
		if err := file.Sync(); err != nil {
			return err
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	f.FsyncMicros, f.FsyncP99 = micros(took[rounds/2]), micros(took[rounds*99/100])
	f.WritableSync = rounds
	return nil
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

func (f facts) print(out io.Writer) {
	fmt.Fprintf(out, "%s  %d cores (%s), %d MB, %s, %s\n%s; %s\n%s: append 4 KiB + fsync, median %.0f us, p99 %.0f us (%d times)\n\n",
		f.Date, f.Cores, f.CPU, f.MemoryMB, f.Kernel, f.Go, f.Redis, f.Etcd, f.Dir, f.FsyncMicros, f.FsyncP99, f.WritableSync)
}

// firstLine is the first line a command prints, or a dash if it cannot run.
func firstLine(cmd *exec.Cmd) string {
	out, err := cmd.Output()
	if err != nil {
		return "-"
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

// procValue is the value after "name:" in a file of /proc, or a dash.
func procValue(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "-"
	}
	for line := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return "-"
}
