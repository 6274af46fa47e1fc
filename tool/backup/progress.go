package backup

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// progress shows how far something has come: as a bar where it is written to a
// terminal, else as a line now and then. Safe for concurrent use.
type progress struct {
	w        io.Writer
	terminal bool

	mu          sync.Mutex
	what        string
	done, total int64 // bytes; total 0: not known
	began, last time.Time
	shown       bool
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

// begin starts to show something else.
func (p *progress) begin(what string, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endLocked()
	p.what, p.done, p.total, p.shown = what, 0, total, false
	p.began = time.Now()
	p.last = p.began
}

// add says that more is done, and that more is to do than was known.
func (p *progress) add(done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.total = p.done+done, p.total+total
	every := time.Second
	if p.terminal {
		every = 100 * time.Millisecond
	}
	if now := time.Now(); now.Sub(p.last) >= every {
		p.last = now
		p.showLocked()
	}
}

// end shows the last state of what was shown before.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endLocked()
}

func (p *progress) endLocked() {
	if p.shown && p.terminal {
		p.showLocked()
		fmt.Fprintln(p.w)
	}
	p.shown = false
}

// say prints a line between.
func (p *progress) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown && p.terminal {
		fmt.Fprintln(p.w)
	}
	fmt.Fprintf(p.w, format+"\n", args...)
}

const barWidth = 30

func (p *progress) showLocked() {
	p.shown = true
	rate := float64(p.done) / max(time.Since(p.began).Seconds(), 1e-3)
	line := fmt.Sprintf("%s: %s, %s/s", p.what, Size(p.done), Size(int64(rate)))
	if p.total > 0 {
		part := min(float64(p.done)/float64(p.total), 1)
		line = fmt.Sprintf("%s: %3.0f%% of %s, %s/s", p.what, 100*part, Size(p.total), Size(int64(rate)))
		if p.terminal {
			n := int(part * barWidth)
			line = fmt.Sprintf("[%s%s] %s", strings.Repeat("#", n), strings.Repeat(" ", barWidth-n), line)
		}
	}
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s", line)
	} else {
		fmt.Fprintln(p.w, line)
	}
}

// counted counts the bytes that are written through it.
type counted struct{ p *progress }

func (c counted) Write(b []byte) (int, error) {
	c.p.add(int64(len(b)), 0)
	return len(b), nil
}

// Size returns a number of bytes for people.
func Size(n int64) string {
	switch {
	case n < 10<<10:
		return fmt.Sprintf("%d B", n)
	case n < 10<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 10<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}
