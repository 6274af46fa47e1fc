package command

import (
	"fmt"
	"sort"
	"strings"
)

// Table finds commands by name. It is built once and read by many.
type Table[E any] struct {
	byName map[string]*Node[E]
	sorted []*Node[E]
}

// Node is one command or subcommand of a table with what its owner attached.
type Node[E any] struct {
	Spec *Spec
	Item E // the handler, of whatever type the table's owner uses
	subs map[string]*Node[E]
}

// NewTable returns an empty table.
func NewTable[E any]() *Table[E] { return &Table[E]{byName: map[string]*Node[E]{}} }

// Add enters a command. It panics on a name that is there already: the table
// is written by programmers, not by clients.
func (t *Table[E]) Add(spec *Spec, item E) *Node[E] {
	if _, taken := t.byName[spec.Name]; taken || spec.Name != strings.ToUpper(spec.Name) {
		panic(fmt.Sprintf("command table: %q is entered twice or not in upper case", spec.Name))
	}
	n := &Node[E]{Spec: spec, Item: item}
	t.byName[spec.Name] = n
	t.sorted = append(t.sorted, n)
	sort.Slice(t.sorted, func(i, j int) bool { return t.sorted[i].Spec.Name < t.sorted[j].Spec.Name })
	return n
}

// AddSub enters a subcommand under a container.
func (n *Node[E]) AddSub(spec *Spec, item E) *Node[E] {
	if n.subs == nil {
		n.subs = map[string]*Node[E]{}
	}
	if _, taken := n.subs[spec.Name]; taken {
		panic(fmt.Sprintf("command table: %s %s is entered twice", n.Spec.Name, spec.Name))
	}
	spec.parent = n.Spec
	n.Spec.Subs = append(n.Spec.Subs, spec)
	s := &Node[E]{Spec: spec, Item: item}
	n.subs[spec.Name] = s
	return s
}

// IsContainer reports whether the command has subcommands.
func (n *Node[E]) IsContainer() bool { return len(n.subs) > 0 }

// Sub finds a subcommand by name in any case, or returns nil.
func (n *Node[E]) Sub(name []byte) *Node[E] {
	var buf [64]byte
	up, ok := upper(buf[:0], name)
	if !ok {
		return nil
	}
	return n.subs[string(up)]
}

// Find finds a command by name in any case, or returns nil. It doesn't allocate.
func (t *Table[E]) Find(name []byte) *Node[E] {
	var buf [64]byte
	up, ok := upper(buf[:0], name)
	if !ok {
		return nil
	}
	return t.byName[string(up)]
}

// All returns the commands by name. The slice is the table's own.
func (t *Table[E]) All() []*Node[E] { return t.sorted }

// upper appends name in upper case; no command has a name as long as buf.
func upper(buf, name []byte) ([]byte, bool) {
	if len(name) > cap(buf) {
		return nil, false
	}
	for _, c := range name {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		buf = append(buf, c)
	}
	return buf, true
}
