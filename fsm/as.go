package fsm

import (
	"fmt"
	"strings"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/security"
)

// What a client may do is decided before a command gets into a unit, but for the
// commands that meet others or keys on their way: those that run scripts, and SORT
// with BY or GET. They carry their user's rules, if these forbid anything, and the
// log has them in front of the command, so that every replica decides the same
// whatever users its node knows by then:
//
//	#as = <rules>       in front of a command
//	#as + <rules>       more of them: annotation lines are short

// As is the user for whom a step runs.
type As struct {
	// Rules are what he may do, as security.Rules.Permissions writes it.
	Rules string
	// Denied is called for what he may not do. Nil where nobody is answered.
	Denied func(r security.Reason, object string)
}

// tell reports what was denied.
func (a *As) tell(d security.Denial, spec *command.Spec, args [][]byte) {
	if a.Denied != nil {
		a.Denied(d.Reason, d.Object(spec, args))
	}
}

const (
	asLine  = "#as"
	asBytes = 800 // of rules in one line; Redis reads 1024 in all
)

// appendAs appends the lines of a step's user.
func appendAs(dst []byte, a *As) []byte {
	text := escapeAs(a.Rules)
	for sign := " = "; ; sign = " + " {
		n := min(len(text), asBytes)
		dst = append(append(append(dst, asLine...), sign...), text[:n]...)
		dst = append(dst, '\r', '\n')
		if text = text[n:]; text == "" {
			return dst
		}
	}
}

// escapeAs writes rules as one word of printable ASCII.
func escapeAs(text string) string {
	const hex = "0123456789abcdef"
	b := make([]byte, 0, len(text)+len(text)/4)
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c >= 0x7f || c == '%' {
			b = append(b, '%', hex[c>>4], hex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}

// parseAs adds a line's rules to those of the lines before it.
func parseAs(before *As, args [][]byte) (*As, error) {
	if len(args) != 3 || len(args[1]) != 1 || (before == nil) != (args[1][0] == '=') {
		return nil, fmt.Errorf("%w: %.80q", ErrEntry, args)
	}
	if before == nil {
		return &As{Rules: string(args[2])}, nil
	}
	before.Rules += string(args[2])
	return before, nil
}

// unescapeAs undoes escapeAs.
func unescapeAs(text string) (string, error) {
	nibble := func(c byte) int { return strings.IndexByte("0123456789abcdef", c) }
	b := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			b = append(b, text[i])
			continue
		}
		if i+2 >= len(text) || nibble(text[i+1]) < 0 || nibble(text[i+2]) < 0 {
			return "", fmt.Errorf("%w: rules %.80q", ErrEntry, text)
		}
		b = append(b, byte(nibble(text[i+1])<<4|nibble(text[i+2])))
		i += 2
	}
	return string(b), nil
}

// keepRules is how many users' compiled rules are kept.
const keepRules = 64

// rulesOf returns the rules of a step's user. Those that this version can't read
// allow nothing. It may be called by several readers at once.
func (m *Machine) rulesOf(a *As) *security.Rules {
	known := m.rules.Load()
	if known != nil {
		if r := (*known)[a.Rules]; r != nil {
			return r
		}
	}
	r, err := security.ParsePermissions(m.commands, a.Rules)
	if err != nil {
		r = security.NewRules(m.commands, false)
	}
	next := map[string]*security.Rules{a.Rules: r}
	if known != nil && len(*known) < keepRules {
		for text, rules := range *known {
			next[text] = rules
		}
	}
	m.rules.Store(&next)
	return r
}

// ownCommands numbers the data commands for a machine that wasn't told of others.
func ownCommands() *security.Commands {
	t := command.NewTable[struct{}]()
	for _, c := range Commands() {
		spec := c.Spec
		spec.Subs = nil
		n := t.Add(&spec, struct{}{})
		for _, s := range c.Sub {
			sub := s.Spec
			n.AddSub(&sub, struct{}{})
		}
	}
	var top []*command.Spec
	for _, n := range t.All() {
		top = append(top, n.Spec)
	}
	return security.NewCommands(top)
}

// Errors of commands that a script's user may not run.
const (
	errScriptUserCommand = "The user executing the script can't run this command or subcommand"
	errScriptUserKey     = "The user executing the script can't access at least one of the keys mentioned in the command arguments"
	errScriptUserChannel = "The user executing the script can't publish to the channel mentioned in the command"
)

// checkUser returns an error if the script's user may not run a command.
func (h *scriptHost) checkUser(args [][]byte) (refused string) {
	as := h.read.as
	if as == nil {
		return ""
	}
	d, spec := h.mayUser(args)
	if d.Reason == security.Allowed {
		return ""
	}
	if spec != nil {
		as.tell(d, spec, args)
	}
	switch d.Reason {
	case security.Key:
		return errScriptUserKey
	case security.Channel:
		return errScriptUserChannel
	}
	return errScriptUserCommand
}

// mayUser looks whether the script's user may run a command. What the rules can't
// name is forbidden.
func (h *scriptHost) mayUser(args [][]byte) (security.Denial, *command.Spec) {
	m := h.read.m
	spec := m.commands.Find(args)
	if spec == nil {
		return security.Denial{Reason: security.Command}, nil
	}
	return m.rulesOf(h.read.as).Check(spec, args), spec
}

// readsAllKeys reports whether the call's user may read whatever key a pattern of
// SORT leads to.
func (c *ReadCall) readsAllKeys() bool {
	if c.as == nil {
		return true
	}
	spec := c.m.commands.Find(c.Args)
	return spec != nil && c.m.rulesOf(c.as).ReadsAllKeys(spec, c.Args)
}
