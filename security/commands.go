package security

import (
	"strings"

	"github.com/quorate/quorate/command"
)

// Commands numbers all commands and subcommands of a server, so that rules can
// hold a set of them as bits. It never changes.
type Commands struct {
	specs  []*command.Spec // by number; a container stands before its subcommands
	bySpec map[*command.Spec]int
	byName map[string]int // full names in lower case: "get", "config|set"
}

// NewCommands numbers the commands and their subcommands.
func NewCommands(top []*command.Spec) *Commands {
	c := &Commands{bySpec: map[*command.Spec]int{}, byName: map[string]int{}}
	add := func(s *command.Spec) {
		c.bySpec[s], c.byName[s.FullName()] = len(c.specs), len(c.specs)
		c.specs = append(c.specs, s)
	}
	for _, s := range top {
		add(s)
		for _, sub := range s.Subs {
			add(sub)
		}
	}
	return c
}

// number returns the number of a command: one of the table, or another copy of
// it, which is found by its name. -1: there is none.
func (c *Commands) number(s *command.Spec) int {
	if n, ok := c.bySpec[s]; ok {
		return n
	}
	if n, ok := c.byName[s.FullName()]; ok {
		return n
	}
	return -1
}

// named finds a command by its full name in any case, or returns -1.
func (c *Commands) named(name string) int {
	if n, ok := c.byName[strings.ToLower(name)]; ok {
		return n
	}
	return -1
}

// Named returns the command of a full name in any case, such as "config|set".
func (c *Commands) Named(name string) *command.Spec {
	if n := c.named(name); n >= 0 {
		return c.specs[n]
	}
	return nil
}

// Find returns the command that args name, or nil if there is none.
func (c *Commands) Find(args [][]byte) *command.Spec {
	if len(args) == 0 {
		return nil
	}
	s := c.Named(string(args[0]))
	if s == nil || s.Parent() != nil {
		return nil
	}
	if len(s.Subs) > 0 && len(args) > 1 {
		return c.Named(string(args[0]) + "|" + string(args[1]))
	}
	return s
}

// categories are the categories by name.
var categories = func() map[string]command.Categories {
	out := map[string]command.Categories{}
	for i, name := range (^command.Categories(0)).Names() {
		out[name] = 1 << i
	}
	return out
}()

// categoryNames are the categories' names in the order of ACL CAT.
var categoryNames = (^command.Categories(0)).Names()
