package fsm

import (
	"bytes"

	"github.com/quorate/quorate/command"
)

const (
	sortComplexity = "O(N+M*log(M)) where N is the number of elements and M the number returned"
	sortPatterns   = "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from the content of the key we sort"
	sortStored     = "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear anywhere in the argument array"
)

// sortCommands sort the elements of lists, sets and sorted sets.
var sortCommands = []*Command{
	{Write: sortStore, Reading: readingSort, Spec: command.Spec{
		Name: "SORT", Arity: -2, Flags: command.Write | command.DenyOOM | command.MovableKeys,
		ACL: command.Set | command.SortedSet | command.List | command.Dangerous,
		Keys: []command.KeySpec{
			{Flags: command.KeyRO | command.KeyAccess, Pos: 1, Step: 1},
			{Flags: command.KeyRO | command.KeyAccess, Notes: sortPatterns, Unknown: true},
			{Flags: command.KeyOW | command.KeyUpdate, Notes: sortStored, Unknown: true},
		},
		Extract: sortKeys,
		Group:   "generic", Since: "1.0.0", Complexity: sortComplexity,
		Syntax:  "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA] [STORE destination]",
		Summary: "Sorts the elements of a list, a set or a sorted set, and returns or stores them.",
	}},
	{Read: sortRO, Spec: command.Spec{
		Name: "SORT_RO", Arity: -2, Flags: command.ReadOnly | command.MovableKeys,
		ACL: command.Set | command.SortedSet | command.List | command.Dangerous,
		Keys: []command.KeySpec{
			{Flags: command.KeyRO | command.KeyAccess, Pos: 1, Step: 1},
			{Flags: command.KeyRO | command.KeyAccess, Notes: sortPatterns, Unknown: true},
		},
		Extract: func([][]byte) ([]int, bool) { return []int{1}, true },
		Group:   "generic", Since: "7.0.0", Complexity: sortComplexity,
		Syntax:  "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]",
		Summary: "Sorts the elements of a list, a set or a sorted set and returns them.",
	}},
}

// sortKeys finds the keys of SORT that its arguments name: the one it sorts and
// the last STORE's. It reads options exactly as sortQuery does, so that what
// runs touches no other key; Redis's own search takes the argument of STORE
// for the next option.
func sortKeys(args [][]byte) ([]int, bool) {
	stored := 0
	for i := 2; i < len(args); i++ {
		switch a, more := args[i], len(args)-i-1; {
		case isWord(a, "LIMIT") && more >= 2:
			i += 2
		case isWord(a, "STORE") && more >= 1:
			i++
			stored = i
		case isWord(a, "BY") && more >= 1, isWord(a, "GET") && more >= 1:
			i++
		}
	}
	if stored == 0 {
		return []int{1}, true
	}
	return []int{1, stored}, true
}

// sortReading is SORT without STORE, which only reads. A small sorted set takes
// its large form when it is sorted: then the command becomes an entry (logged.go).
var sortReading = &Command{Read: sortReplied, Logged: &Command{Write: sortStore}}

func init() {
	sortReading.Spec = sortCommands[0].Spec
	sortReading.Logged.Spec = sortCommands[0].Spec
}

// readingSort finds that SORT stores nothing; see Command.Reading.
func readingSort(args [][]byte) *Command {
	if keys, _ := sortKeys(args); len(keys) > 1 {
		return nil
	}
	return sortReading
}

// sortQuery is what SORT is asked for.
type sortQuery struct {
	by          *sortPattern // nil: the elements themselves
	unsorted    bool         // BY a pattern without "*"
	gets        []sortPattern
	alpha, desc bool
	offset      int64 // may be negative: none
	count       int64 // negative: all
	store       []byte
}

// sortQuery reads the options, or writes the error.
func (c *ReadCall) sortQuery(readOnly bool) (q sortQuery, ok bool) {
	q.count = -1
	for i := 2; i < len(c.Args); i++ {
		switch a, more := c.Args[i], len(c.Args)-i-1; {
		case isWord(a, "ASC"):
			q.desc = false
		case isWord(a, "DESC"):
			q.desc = true
		case isWord(a, "ALPHA"):
			q.alpha = true
		case isWord(a, "LIMIT") && more >= 2:
			if q.offset, ok = c.intArg(i + 1); !ok {
				return q, false
			}
			if q.count, ok = c.intArg(i + 2); !ok {
				return q, false
			}
			i += 2
		case isWord(a, "STORE") && more >= 1 && !readOnly:
			i++
			q.store = c.Args[i]
		case isWord(a, "BY") && more >= 1:
			i++
			p := newSortPattern(c.Args[i])
			q.by = &p
			if p.star < 0 {
				q.unsorted = true // and stays so, whatever comes
			} else if c.clustered() {
				c.Error(errSortBy)
				return q, false
			} else if !c.readsAllKeys() {
				c.Error(errSortByUser)
				return q, false
			}
		case isWord(a, "GET") && more >= 1:
			if c.clustered() {
				c.Error(errSortGet)
				return q, false
			}
			if !c.readsAllKeys() {
				c.Error(errSortGetUser)
				return q, false
			}
			i++
			q.gets = append(q.gets, newSortPattern(c.Args[i]))
		default:
			c.Error(errSyntax)
			return q, false
		}
	}
	return q, true
}

// sortPattern names something for every element: a key's string, or with
// "->" a field of a hash. "#" is the element itself.
type sortPattern struct {
	text  []byte
	self  bool
	star  int // where the element goes; negative: nowhere, and nothing is found
	arrow int // where the key ends and "->" begins; len(text) if there is no field
}

// newSortPattern reads a pattern. Stars and arrows count in front of a zero byte
// only.
func newSortPattern(text []byte) sortPattern {
	seen := visible(text)
	p := sortPattern{text: text, self: string(seen) == "#", arrow: len(text)}
	if p.star = bytes.IndexByte(seen, '*'); p.star >= 0 {
		behind := seen[p.star+1:]
		if i := bytes.Index(behind, []byte("->")); i >= 0 && i+2 < len(behind) {
			p.arrow = p.star + 1 + i
		}
	}
	return p
}

// appendKey appends the key that the pattern names for an element.
func (p *sortPattern) appendKey(dst, element []byte) []byte {
	dst = append(append(dst, p.text[:p.star]...), element...)
	return append(dst, p.text[p.star+1:p.arrow]...)
}

// field returns the field of the hash, or nil if the pattern means a string.
func (p *sortPattern) field() []byte {
	if p.arrow == len(p.text) {
		return nil
	}
	return p.text[p.arrow+2:]
}
