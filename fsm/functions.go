package fsm

import (
	"errors"
	"strings"

	"github.com/quorate/quorate/fsm/lua"
)

// libraries holds the function libraries. They are replicated data: snapshots
// hold their code as an RDB file of Redis 7.0 does. Only writes change it.
type libraries struct {
	list      []*lua.Library           // as they came
	functions map[string]*lua.Function // by name in lower case: any case calls them
}

// find returns a library by name, or nil.
func (l *libraries) find(name string) *lua.Library {
	for _, lib := range l.list {
		if lib.Name == name {
			return lib
		}
	}
	return nil
}

// byName returns a function by its name in any case, or nil.
func (l *libraries) byName(name []byte) *lua.Function {
	return l.functions[strings.ToLower(string(name))]
}

// collision returns the name of a function of lib that a library other than
// those of the same name has already.
func (l *libraries) collision(lib *lua.Library) string {
	for _, f := range lib.Functions {
		if other := l.functions[strings.ToLower(f.Name)]; other != nil && other.Library.Name != lib.Name {
			return f.Name
		}
	}
	return ""
}

// add enters a library, in place of one with its name.
func (l *libraries) add(lib *lua.Library) {
	l.remove(lib.Name)
	l.list = append(l.list, lib)
	if l.functions == nil {
		l.functions = map[string]*lua.Function{}
	}
	for _, f := range lib.Functions {
		l.functions[strings.ToLower(f.Name)] = f
	}
}

// remove drops a library and reports whether it was there.
func (l *libraries) remove(name string) bool {
	for i, lib := range l.list {
		if lib.Name == name {
			l.list = append(l.list[:i:i], l.list[i+1:]...)
			for _, f := range lib.Functions {
				delete(l.functions, strings.ToLower(f.Name))
			}
			return true
		}
	}
	return false
}

// load loads a library's code and adds it.
func (l *libraries) load(in *lua.Interpreter, code string, replace bool, log func(int, string)) (*lua.Library, error) {
	lib, err := in.LoadLibrary(code, log, func(name string) error {
		if !replace && l.find(name) != nil {
			return errors.New("ERR Library '" + name + "' already exists")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if name := l.collision(lib); name != "" {
		return nil, errors.New("ERR Function " + name + " already exists")
	}
	l.add(lib)
	return lib, nil
}

// codes returns the code of all libraries.
func (l *libraries) codes() (codes []string) {
	for _, lib := range l.list {
		codes = append(codes, lib.Code)
	}
	return codes
}

// countFunctions brings the counters up to date.
func (m *Machine) countFunctions() {
	m.Stats.Libraries.Store(int64(len(m.libraries.list)))
	m.Stats.Functions.Store(int64(len(m.libraries.functions)))
}

// Functions returns how many libraries and functions there are.
func (m *Machine) Functions() (libraries, functions int) {
	return len(m.libraries.list), len(m.libraries.functions)
}

// FunctionBytes returns the bytes of the code of all libraries.
func (m *Machine) FunctionBytes() (bytes int) {
	for _, lib := range m.libraries.list {
		bytes += len(lib.Code)
	}
	return bytes
}
