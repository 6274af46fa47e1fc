package security

import (
	"errors"
	"slices"
	"strings"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/glob"
)

// What is wrong with a rule, in Redis's words.
var (
	errUnknown     = errors.New("Unknown command or category name in ACL")
	errSyntax      = errors.New("Syntax error")
	errAllKeys     = errors.New("Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' to start with an empty list of patterns")
	errAllChannels = errors.New("Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try 'resetchannels' to start with an empty list of channels")
	errNoPassword  = errors.New("The password you are trying to remove from the user does not exist")
	errBadHash     = errors.New("The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters")
	errSubFirstArg = errors.New("Allowing first-arg of a subcommand is not supported")
)

// access is what may be done with a key.
type access uint8

const (
	reading access = 1 << iota
	writing
)

type keyPattern struct {
	text string
	may  access
}

// selector is one set of permissions: a command is allowed if one of a user's
// selectors allows all of it.
type selector struct {
	set *Commands

	allCommands bool // nothing was taken away since +@all
	future      bool // +@all came after the last -@all: what rules are written relative to
	commands    bitset
	firstArgs   map[int][]string // of commands that are allowed with these first arguments only

	allKeys  bool
	keys     []keyPattern
	allChans bool
	channels []string
}

func newSelector(set *Commands, allChannels bool) *selector {
	return &selector{set: set, commands: newBitset(len(set.specs)), allChans: allChannels}
}

// clone returns a copy that shares nothing with s.
func (s *selector) clone() *selector {
	c := *s
	c.commands, c.keys, c.channels = slices.Clone(s.commands), slices.Clone(s.keys), slices.Clone(s.channels)
	c.firstArgs = nil
	for n, args := range s.firstArgs {
		c.addFirstArgs(n, args...)
	}
	return &c
}

func (s *selector) addFirstArgs(n int, args ...string) {
	if s.firstArgs == nil {
		s.firstArgs = map[int][]string{}
	}
	s.firstArgs[n] = append(s.firstArgs[n], args...)
}

// apply changes the selector by one rule.
func (s *selector) apply(rule string) error {
	switch strings.ToLower(rule) {
	case "allkeys", "~*":
		s.allKeys, s.keys = true, nil
		return nil
	case "resetkeys":
		s.allKeys, s.keys = false, nil
		return nil
	case "allchannels", "&*":
		s.allChans, s.channels = true, nil
		return nil
	case "resetchannels":
		s.allChans, s.channels = false, nil
		return nil
	case "allcommands", "+@all":
		s.permitAll(true)
		return nil
	case "nocommands", "-@all":
		s.permitAll(false)
		return nil
	}
	if rule == "" {
		return errSyntax
	}
	switch rule[0] {
	case '~':
		return s.addKeys(rule[1:], reading|writing)
	case '%':
		return s.addKeysWith(rule[1:])
	case '&':
		return s.addChannels(rule[1:])
	case '+', '-':
		return s.permitNamed(rule[1:], rule[0] == '+')
	}
	return errSyntax
}

// addKeysWith reads the letters and the pattern of a rule such as %RW~pattern.
func (s *selector) addKeysWith(rule string) error {
	if s.allKeys {
		return errAllKeys
	}
	may := access(0)
	for len(rule) > 0 {
		c := rule[0]
		rule = rule[1:]
		switch {
		case (c == 'R' || c == 'r') && may&reading == 0:
			may |= reading
			continue
		case (c == 'W' || c == 'w') && may&writing == 0:
			may |= writing
			continue
		case c == '~' && may != 0:
			return s.addKeys(rule, may)
		}
		return errSyntax
	}
	if may == 0 {
		return errSyntax
	}
	return s.addKeys("", may) // Redis takes %R for %R~
}

func (s *selector) addKeys(pattern string, may access) error {
	switch {
	case s.allKeys:
		return errAllKeys
	case hasSpaces(pattern):
		return errSyntax
	}
	for i := range s.keys {
		if s.keys[i].text == pattern {
			s.keys[i].may |= may
			return nil
		}
	}
	s.keys = append(s.keys, keyPattern{pattern, may})
	return nil
}

func (s *selector) addChannels(pattern string) error {
	switch {
	case s.allChans:
		return errAllChannels
	case hasSpaces(pattern):
		return errSyntax
	case !slices.Contains(s.channels, pattern):
		s.channels = append(s.channels, pattern)
	}
	return nil
}

// hasSpaces reports whether a text would fall apart in a file of users.
func hasSpaces(text string) bool { return strings.ContainsAny(text, " \t\n\v\f\r\x00") }

func (s *selector) permitAll(on bool) {
	s.allCommands, s.future = on, on
	s.commands.fill(on)
	s.firstArgs = nil
}

// permitNamed allows or forbids what a rule names: a command, a subcommand, a
// category, or a command with one first argument.
func (s *selector) permitNamed(name string, on bool) error {
	if strings.HasPrefix(name, "@") {
		c, ok := categories[strings.ToLower(name[1:])]
		if !ok {
			return errUnknown
		}
		s.permitCategory(c, on)
		return nil
	}
	n := s.set.named(name)
	bar := strings.LastIndexByte(name, '|')
	if !on || bar < 0 {
		if n < 0 {
			return errUnknown
		}
		s.permit(n, on)
		return nil
	}
	of, arg := s.set.named(name[:bar]), name[bar+1:]
	switch {
	case of < 0:
		return errUnknown
	case s.set.specs[of].Parent() != nil:
		return errSubFirstArg
	case arg == "":
		return errSyntax
	case len(s.set.specs[of].Subs) == 0:
		if !slices.ContainsFunc(s.firstArgs[of], func(a string) bool { return strings.EqualFold(a, arg) }) {
			s.addFirstArgs(of, arg)
		}
		return nil
	case n < 0:
		return errUnknown
	}
	s.permit(n, true)
	return nil
}

// permit allows or forbids a command, with its subcommands.
func (s *selector) permit(n int, on bool) {
	s.commands.put(n, on)
	for i := range s.set.specs[n].Subs {
		s.commands.put(n+1+i, on)
	}
	if !on {
		s.allCommands = false
	}
	delete(s.firstArgs, n)
}

func (s *selector) permitCategory(c command.Categories, on bool) {
	for n, spec := range s.set.specs {
		if spec.Categories()&c != 0 {
			s.permit(n, on)
		}
	}
}

// check returns why a command isn't allowed, or Allowed, and the argument that
// isn't. number is the command's, -1 for one that rules can't name.
func (s *selector) check(spec *command.Spec, number int, args [][]byte, uses *keyUses) (Reason, int) {
	if !s.allCommands && !spec.Flags.Has(command.NoAuth) && !s.runs(spec, number, args) {
		return Command, 0
	}
	if !s.allKeys {
		for _, k := range uses.of(spec, args) {
			if !s.touches(args[k.Index], k.Flags) {
				return Key, k.Index
			}
		}
	}
	if !s.allChans {
		return s.checkChannels(spec, args)
	}
	return Allowed, 0
}

func (s *selector) runs(spec *command.Spec, number int, args [][]byte) bool {
	if number < 0 {
		return false
	}
	if s.commands.has(number) {
		return true
	}
	at := 1
	if spec.Parent() != nil {
		at = 2
	}
	if len(args) <= at {
		return false
	}
	for _, allowed := range s.firstArgs[number] {
		if strings.EqualFold(allowed, string(args[at])) {
			return true
		}
	}
	return false
}

// touches reports whether a key may be used as the flags say.
func (s *selector) touches(key []byte, flags command.KeyFlags) bool {
	need := access(0)
	if flags&command.KeyAccess != 0 {
		need |= reading
	}
	if flags&(command.KeyInsert|command.KeyDelete|command.KeyUpdate) != 0 {
		need |= writing
	}
	for _, p := range s.keys {
		if p.may&need == need && match(p.text, key) {
			return true
		}
	}
	return false
}

// readsAll reports whether any key at all may be read.
func (s *selector) readsAll() bool {
	return s.allKeys || slices.ContainsFunc(s.keys, func(p keyPattern) bool { return p.text == "*" && p.may&reading != 0 })
}

// match is glob.Match, but that "*" takes the empty string too.
func match(pattern string, text []byte) bool {
	return pattern == "*" || glob.Match([]byte(pattern), text, false)
}

// checkChannels looks at the channels that a command publishes or subscribes to.
// Everybody may unsubscribe.
func (s *selector) checkChannels(spec *command.Spec, args [][]byte) (Reason, int) {
	if spec.Parent() != nil {
		return Allowed, 0
	}
	last, pattern := len(args)-1, false
	switch spec.Name {
	case "PUBLISH", "SPUBLISH":
		last = 1
	case "SUBSCRIBE", "SSUBSCRIBE":
	case "PSUBSCRIBE":
		pattern = true
	default:
		return Allowed, 0
	}
	for i := 1; i <= last; i++ {
		if !s.hears(args[i], pattern) {
			return Channel, i
		}
	}
	return Allowed, 0
}

// hears reports whether a channel, or exactly this pattern, is allowed.
func (s *selector) hears(name []byte, pattern bool) bool {
	if s.allChans {
		return true
	}
	for _, c := range s.channels {
		if c == string(name) && pattern || !pattern && match(c, name) {
			return true
		}
	}
	return false
}

// keyUses finds the keys of a command once for all selectors.
type keyUses struct {
	found bool
	keys  []command.KeyUse
	buf   [8]command.KeyUse
}

func (u *keyUses) of(spec *command.Spec, args [][]byte) []command.KeyUse {
	if !u.found {
		var ok bool
		if u.keys, ok = spec.AppendKeyUses(u.buf[:0], args); !ok && spec.Extract == nil {
			u.keys = nil // the command is going to refuse its arguments
		}
		u.found = true
	}
	return u.keys
}
