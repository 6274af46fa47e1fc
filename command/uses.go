package command

import "bytes"

// KeyUse is a key among a command's arguments and what the command does with it.
type KeyUse struct {
	Index int
	Flags KeyFlags
}

// AppendKeyUses is AppendKeys with what happens to each key: by the flags of the
// specification that found it, or, where only Extract finds the keys, by those of
// the first specification for the first key and of the last for the others (the
// STORE of SORT and GEORADIUS).
func (s *Spec) AppendKeyUses(dst []KeyUse, args [][]byte) ([]KeyUse, bool) {
	var buf [16]int
	if s.Extract != nil {
		keys, ok := s.AppendKeys(buf[:0], args)
		flags := KeyRW | KeyAccess | KeyUpdate
		if len(s.Keys) > 0 {
			flags = s.Keys[0].Flags
		}
		for i, k := range keys {
			if i > 0 && len(s.Keys) > 0 {
				flags = s.Keys[len(s.Keys)-1].Flags
			}
			dst = append(dst, KeyUse{k, s.settleFlags(args, flags)})
		}
		return dst, ok
	}
	for i := range s.Keys {
		keys, ok := s.Keys[i].appendKeys(buf[:0], args)
		if !ok {
			return dst, false
		}
		for _, k := range keys {
			dst = append(dst, KeyUse{k, s.settleFlags(args, s.Keys[i].Flags)})
		}
	}
	return dst, true
}

// settleFlags settles variable_flags by the arguments, as the key functions of
// redis-server 7.0.15 do for the two commands that its command table marks so.
func (s *Spec) settleFlags(args [][]byte, flags KeyFlags) KeyFlags {
	if flags&KeyVariableFlags == 0 {
		return flags
	}
	switch s.Name {
	case "SET":
		for _, a := range args[min(3, len(args)):] {
			if bytes.EqualFold(a, []byte("GET")) {
				return KeyRW | KeyAccess | KeyUpdate
			}
		}
		return KeyOW | KeyUpdate
	case "BITFIELD":
		if bitfieldReads(args) {
			return KeyRO | KeyAccess
		}
		return KeyRW | KeyAccess | KeyUpdate
	}
	return flags &^ KeyVariableFlags
}

// bitfieldReads reports whether a BITFIELD has only GET, and OVERFLOW, which
// changes nothing by itself.
func bitfieldReads(args [][]byte) bool {
	for i := 2; i < len(args); i++ {
		left := len(args) - i - 1
		switch {
		case bytes.EqualFold(args[i], []byte("GET")) && left >= 2:
			i += 2
		case bytes.EqualFold(args[i], []byte("OVERFLOW")) && left >= 1:
			i++
		default:
			return false
		}
	}
	return true
}
