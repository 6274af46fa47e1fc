package command

import (
	"bytes"
	"strconv"
)

// KeyFlags say what a command does with a key, in the words of Redis 7.0's key
// specifications.
type KeyFlags uint16

// Exactly one of the first four says how the value's content is handled; the
// others say what the command does with the key beyond it.
const (
	KeyRW KeyFlags = 1 << iota
	KeyRO
	KeyOW
	KeyRM
	KeyAccess
	KeyUpdate
	KeyInsert
	KeyDelete
	KeyNotKey
	KeyIncomplete
	KeyVariableFlags
)

var keyFlagNames = []string{"RW", "RO", "OW", "RM", "access", "update", "insert", "delete", "not_key", "incomplete", "variable_flags"}

// Names returns the flags as COMMAND INFO prints them.
func (f KeyFlags) Names() []string { return names(uint32(f), keyFlagNames) }

// KeySpec finds some of a command's keys in its arguments: where they begin and
// how they go on from there. See "Key specifications" in the Redis 7.0 docs.
type KeySpec struct {
	Flags KeyFlags
	Notes string

	// Begin: at argument Pos, or, if Keyword is set, after that word, searched
	// from argument Pos on (negative: backwards from the end).
	Pos     int
	Keyword string

	// Go on, if NumKeys is false: up to Last relative to the first key
	// (negative: from the end of the arguments, -1 being the last), in steps
	// of Step, and if Limit > 1 only through 1/Limit of the rest.
	Last, Step, Limit int

	// Go on, if NumKeys is true: the argument NumPos after the beginning holds
	// the number of keys, the first stands FirstKey after the beginning.
	NumKeys          bool
	NumPos, FirstKey int

	// Unknown says that no specification can find these keys, and nothing but
	// Flags and Notes counts: Spec.Extract finds those that the arguments name.
	Unknown bool
}

// FirstArg returns the specification of the commonest shape: one key, the
// first argument.
func FirstArg(f KeyFlags) []KeySpec { return []KeySpec{{Flags: f, Pos: 1, Step: 1}} }

// AllArgs says that every argument is a key.
func AllArgs(f KeyFlags) []KeySpec { return []KeySpec{{Flags: f, Pos: 1, Last: -1, Step: 1}} }

// AppendKeys appends the indexes of the keys in args (args[0] is the command's
// name) and reports false if the arguments can't be understood, as
// getKeysFromCommand of Redis does. Only arguments of the right arity come here.
func (s *Spec) AppendKeys(dst []int, args [][]byte) ([]int, bool) {
	if s.Extract != nil {
		found, ok := s.Extract(args)
		return append(dst, found...), ok
	}
	for i := range s.Keys {
		var ok bool
		if dst, ok = s.Keys[i].appendKeys(dst, args); !ok {
			return dst, false
		}
	}
	return dst, true
}

// KeyIsFirst reports whether argument 1, if there is one, is the first of the keys that
// AppendKeys finds, whatever the others are.
func (s *Spec) KeyIsFirst() bool {
	if s.Extract != nil || len(s.Keys) == 0 {
		return false
	}
	k := &s.Keys[0]
	return k.Pos == 1 && !k.NumKeys && k.Keyword == "" && !k.Unknown && k.Flags&KeyNotKey == 0
}

func (k *KeySpec) appendKeys(dst []int, args [][]byte) ([]int, bool) {
	if k.Flags&KeyNotKey != 0 || k.Unknown {
		return dst, true
	}
	begin := k.Pos
	if k.Keyword != "" {
		begin = k.afterKeyword(args)
		if begin < 0 {
			return dst, true // an optional keyword that isn't there
		}
	}
	first, last, step := begin, begin, max(k.Step, 1)
	if k.NumKeys {
		if begin+k.NumPos >= len(args) {
			return dst, false
		}
		n, err := strconv.ParseInt(string(args[begin+k.NumPos]), 10, 64)
		if err != nil || n <= 0 || n > int64(len(args)) {
			return dst, false
		}
		first = begin + k.FirstKey
		last = first + (int(n)-1)*step
	} else if k.Last < 0 {
		last = len(args) + k.Last
		if k.Limit > 1 {
			last = first + (len(args)-first)/k.Limit + k.Last
		}
	} else {
		last = first + k.Last
	}
	if last >= len(args) {
		return dst, false
	}
	for i := first; i <= last; i += step {
		dst = append(dst, i)
	}
	return dst, true
}

// afterKeyword returns the index behind the keyword, or -1.
func (k *KeySpec) afterKeyword(args [][]byte) int {
	if k.Pos < 0 {
		for i := len(args) + k.Pos; i > 0; i-- {
			if bytes.EqualFold(args[i], []byte(k.Keyword)) {
				return i + 1
			}
		}
		return -1
	}
	for i := k.Pos; i < len(args)-1; i++ {
		if bytes.EqualFold(args[i], []byte(k.Keyword)) {
			return i + 1
		}
	}
	return -1
}

// LegacyRange returns the first key, last key and step of COMMAND INFO's old
// form, which only the plain specifications can express.
func (s *Spec) LegacyRange() (first, last, step int) {
	for i := range s.Keys {
		k := &s.Keys[i]
		if k.Keyword != "" || k.NumKeys || k.Limit > 1 || k.Unknown {
			continue
		}
		last = k.Last
		if last >= 0 {
			last += k.Pos
		}
		if first == 0 {
			first, step = k.Pos, max(k.Step, 1)
			if i == 0 && len(s.Keys) == 1 {
				return first, last, step
			}
			lastOf := last
			for j := i + 1; j < len(s.Keys); j++ {
				n := &s.Keys[j]
				if n.Keyword != "" || n.NumKeys || n.Limit > 1 || n.Unknown || n.Pos != lastOf+step {
					break
				}
				if n.Last < 0 { // SINTERSTORE: the rest of the arguments
					return first, n.Last, step
				}
				lastOf = n.Pos + n.Last
			}
			return first, lastOf, step
		}
	}
	return 0, 0, 0
}
