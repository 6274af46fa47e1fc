package fsm

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/quorate/quorate/fsm/lua"
)

// scriptCache holds the scripts that EVAL and SCRIPT LOAD have brought. It is
// replicated: EVALSHA finds the same on every replica and after a change of
// leader. Only writes change it.
type scriptCache struct {
	byName map[string]*lua.Script
	byBody map[string]*lua.Script // the same: EVAL needn't name them first
	order  []*lua.Script          // as they came
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

// room reports whether a script can be added.
func (s *scriptCache) room(script *lua.Script) bool { return s.bytes+len(script.Body) <= maxScripts }

// add keeps a script if there is room.
func (s *scriptCache) add(script *lua.Script) bool {
	if s.byName[script.SHA] != nil {
		return true
	}
	if !s.room(script) {
		return false
	}
	if s.byName == nil {
		s.byName, s.byBody = map[string]*lua.Script{}, map[string]*lua.Script{}
	}
	s.byName[script.SHA], s.byBody[script.Body] = script, script
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
