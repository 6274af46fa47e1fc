package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrSyntax is returned by Set for an odd number of arguments.
var ErrSyntax = errors.New("syntax error")

var (
	errImmutable = errors.New("can't set immutable config")
	errProtected = errors.New("can't set protected config")
	errDuplicate = errors.New("duplicate parameter")
	errNoHook    = errors.New("can't be changed while the server runs")
)

// assignment is one pair of a CONFIG SET.
type assignment struct {
	name string // as in the table: lower case, name or alias
	d    *directive
	raw  string
}

// Set implements CONFIG SET name value [name value ...]: all pairs or none.
// local says that the client is connected over a loopback address. Errors have
// Redis's text without the leading "ERR ".
//
// Source: Redis 7.0 docs for CONFIG SET. The order of the checks is Redis's
// too: first names, flags and duplicates of all pairs, then the values, then
// the hooks. So is the spelling of the name in an error: as typed in the first
// phase, as in the table later.
func (c *Config) Set(args []string, local bool) error {
	if len(args) == 0 || len(args)%2 != 0 {
		return ErrSyntax
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.Current()
	assignments, err := checkNames(args, old, local)
	if err != nil {
		return err
	}
	next := old.clone()
	for _, a := range assignments {
		words := []string{a.raw}
		if a.d.flags&multi != 0 {
			words = splitSet(a.raw)
		}
		if err := c.options.assign(a.d, next, c.defaults, words, false); err != nil {
			return setError(a.name, err)
		}
	}
	var changed []string
	for _, a := range assignments {
		if a.d.value.get(old) != a.d.value.get(next) && !slices.Contains(changed, a.d.name) {
			changed = append(changed, a.d.name)
		}
	}
	if len(changed) == 0 {
		c.nameLocked(assignments)
		return nil
	}
	if err := next.validate(); err != nil {
		return setError(changed[0], err)
	}
	if err := c.applyLocked(old, next, changed); err != nil {
		return err
	}
	c.current.Store(next)
	c.nameLocked(assignments)
	for _, w := range c.watchers {
		if slices.Contains(changed, w.name) {
			w.fn(next)
		}
	}
	return nil
}

// nameLocked notes what Rewrite has to write even if it is the default.
func (c *Config) nameLocked(assignments []assignment) {
	for _, a := range assignments {
		if a.d.flags&otherDefault != 0 {
			if c.named == nil {
				c.named = map[*directive]bool{}
			}
			c.named[a.d] = true
		}
	}
}

func checkNames(args []string, s *Settings, local bool) ([]assignment, error) {
	protectedAllowed := s.EnableProtectedConfigs == "yes" || s.EnableProtectedConfigs == "local" && local
	assignments := make([]assignment, 0, len(args)/2)
	seen := make(map[string]bool)
	for i := 0; i < len(args); i += 2 {
		name := strings.ToLower(args[i])
		d := byName[name]
		switch {
		case d == nil, d.flags&lineOnly != 0:
			name, _, _ := strings.Cut(args[i], "\x00") // Redis prints it so
			return nil, fmt.Errorf("Unknown option or number of arguments for CONFIG SET - '%s'", name)
		case d.flags&immutable != 0 && !(ownDirective(name) && d.value.get(s) == args[i+1]):
			return nil, setError(args[i], errImmutable)
		case d.flags&protected != 0 && !protectedAllowed:
			return nil, setError(args[i], errProtected)
		case seen[name]: // a name and its alias are two names to Redis: the last wins
			return nil, setError(args[i], errDuplicate)
		}
		seen[name] = true
		assignments = append(assignments, assignment{name, d, args[i+1]})
	}
	return assignments, nil
}

// ownDirective tells directives that can't be set in Redis either from those that
// are only here. A client that sets back all that CONFIG GET * shows knows the
// former, but not these.
func ownDirective(name string) bool { return strings.HasPrefix(name, "quorate-") }

// splitSet cuts the value of a directive with several arguments. Unlike in a
// file, single spaces separate and quotes mean nothing.
func splitSet(raw string) []string {
	if raw == "" {
		return []string{""}
	}
	return strings.Split(raw, " ")
}

// applyLocked asks the hooks, and on a refusal takes those back that agreed.
func (c *Config) applyLocked(old, next *Settings, changed []string) error {
	watched := func(h hook) (name string) {
		for _, name := range changed {
			if slices.Contains(h.names, name) {
				return name
			}
		}
		return ""
	}
	for _, name := range changed {
		hooked := func(h hook) bool { return slices.Contains(h.names, name) }
		if byName[name].flags&needsHook != 0 && !slices.ContainsFunc(c.hooks, hooked) {
			return setError(name, errNoHook)
		}
	}
	for i, h := range c.hooks {
		name := watched(h)
		if name == "" {
			continue
		}
		err := h.apply(old, next)
		if err == nil {
			continue
		}
		for _, done := range slices.Backward(c.hooks[:i]) {
			if watched(done) == "" {
				continue
			}
			if undo := done.apply(next, old); undo != nil {
				err = fmt.Errorf("%w; going back failed too: %w", err, undo)
			}
		}
		return setError(name, err)
	}
	return nil
}

func setError(name string, err error) error {
	return fmt.Errorf("CONFIG SET failed (possibly related to argument '%s') - %w", name, err)
}
