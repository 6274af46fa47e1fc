package fsm

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/quorate/quorate/fsm/lua"
)

// scriptCache holds the scripts that EVAL and SCRIPT LOAD have brought. It is
// replicated: EVALSHA finds the same on every replica and after a change of
// leader. Only writes change it.
type scriptCache struct {
	byName map[string]*lua.Script
	order  []*lua.Script // as they came
	bytes  int
}

// maxScripts bounds the text of all scripts: they are in memory, and in every
// snapshot in one piece. Redis has no such bound.
const maxScripts = 256 << 20

// find returns a script by its SHA1 in any case, or nil.
func (s *scriptCache) find(sha []byte) *lua.Script {
	if len(sha) != 40 {
		return nil
	}
	return s.byName[strings.ToLower(string(sha))]
}

// add keeps a script if there is room.
func (s *scriptCache) add(script *lua.Script) bool {
	if s.byName[script.SHA] != nil {
		return true
	}
	if s.bytes+len(script.Body) > maxScripts {
		return false
	}
	if s.byName == nil {
		s.byName = map[string]*lua.Script{}
	}
	s.byName[script.SHA] = script
	s.order = append(s.order, script)
	s.bytes += len(script.Body)
	return true
}

// format returns all scripts as text: length, space and body of each.
func (s *scriptCache) format() string {
	var b strings.Builder
	for _, script := range s.order {
		b.WriteString(strconv.Itoa(len(script.Body)))
		b.WriteByte(' ')
		b.WriteString(script.Body)
	}
	return b.String()
}

// parse reads what format wrote.
func (s *scriptCache) parse(text string) error {
	for text != "" {
		size, rest, _ := strings.Cut(text, " ")
		n, err := strconv.Atoi(size)
		if err != nil || n < 0 || n > len(rest) {
			return fmt.Errorf("%w: field %s is damaged", ErrSnapshot, auxScripts)
		}
		script, err := lua.NewScript(rest[:n])
		if err != nil || !s.add(script) {
			return fmt.Errorf("%w: a script in field %s: %w", ErrSnapshot, auxScripts, err)
		}
		text = rest[n:]
	}
	return nil
}

// Scripts returns the number of cached scripts and the bytes of their text.
func (m *Machine) Scripts() (count, bytes int) { return len(m.scripts.order), m.scripts.bytes }

// runningScripts are the scripts that run on the read path of this process, and
// can be stopped. A script that runs from the log can't: it is part of the state.
type runningScripts [16]atomic.Pointer[runningScript]

type runningScript struct {
	stop     atomic.Bool
	function bool
	name     string   // of the function
	command  [][]byte // that called it
	since    int64    // Unix ms
}

// begin enters a script; what it returns removes it again. Where there are too
// many already, the script can't be stopped.
func (r *runningScripts) begin(s *runningScript) (end func()) {
	for i := range r {
		if r[i].CompareAndSwap(nil, s) {
			return func() { r[i].Store(nil) }
		}
	}
	return func() {}
}

// first returns a script or function that runs, or nil.
func (r *runningScripts) first() *runningScript {
	for i := range r {
		if s := r[i].Load(); s != nil {
			return s
		}
	}
	return nil
}
