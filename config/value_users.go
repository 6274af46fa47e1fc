package config

import (
	"slices"
	"strings"
)

// usersValue is the user directive: a name and rules in each of any number of
// lines. Package security reads them.
type usersValue struct{}

func (usersValue) set(s *Settings, args []string, loading bool) error {
	if len(args) == 0 {
		if loading && len(s.Users) == 0 {
			return nil // the default
		}
		return errArgCount
	}
	s.Users = append(slices.Clip(s.Users), args)
	return nil
}

func (v usersValue) get(s *Settings) string { return strings.Join(v.lines(s, "user"), "\n") }

func (usersValue) lines(s *Settings, name string) []string {
	var out []string
	for _, words := range s.Users {
		line := name
		for _, w := range words {
			line += " " + quoteIfNeeded(w)
		}
		out = append(out, line)
	}
	return out
}

// SetUsers has the next CONFIG REWRITE write these users.
func (c *Config) SetUsers(users [][]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := c.Current().clone()
	next.Users = users
	c.current.Store(next)
}
