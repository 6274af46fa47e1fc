package config

import (
	"strings"

	"github.com/quorate/quorate/glob"
)

// Pair is a directive's name and its printed value.
type Pair struct{ Name, Value string }

// Get implements CONFIG GET pattern [pattern ...].
//
// Source: Redis 7.0 docs for CONFIG GET. A pattern without any of "*?[" is a
// name, which is answered under the spelling it was asked with; the others match
// names and aliases, without case. Nothing is answered twice. The order is that
// of the patterns, then alphabetical (Redis gives no order).
func (c *Config) Get(patterns ...string) []Pair {
	s := c.Current()
	var out []Pair
	seen := make(map[string]bool)
	add := func(shown string) {
		key := strings.ToLower(shown)
		if d := byName[key]; d != nil && d.flags&lineOnly == 0 && !seen[key] {
			seen[key] = true
			out = append(out, Pair{shown, d.value.get(s)})
		}
	}
	for _, pattern := range patterns {
		if !strings.ContainsAny(pattern, "*?[") {
			add(pattern)
			continue
		}
		for _, name := range sortedNames {
			if byName[name].flags&(hidden|lineOnly) == 0 && glob.Match([]byte(pattern), []byte(name), true) {
				add(name)
			}
		}
	}
	return out
}
