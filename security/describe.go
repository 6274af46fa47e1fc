package security

import (
	"math"
	"slices"
	"strings"
)

// Rules are shown in a normal form that gives the same rules when it is read.
// Which categories it names is a guess that follows Redis's: again and again the
// category whose commands fit best, then the commands that are still wrong.

// String returns the rules as ACL LIST prints them behind the user's name.
func (r *Rules) String() string {
	if text := r.text.Load(); text != nil {
		return *text
	}
	text := r.describe()
	r.text.Store(&text)
	return text
}

func (r *Rules) describe() string {
	words := r.Flags()
	for _, p := range r.passwords {
		words = append(words, "#"+p)
	}
	words = append(words, r.root.words()...)
	for _, s := range r.others {
		words = append(words, "("+strings.Join(s.words(), " ")+")")
	}
	return strings.Join(words, " ")
}

// Permissions returns the part of String that says what is allowed.
func (r *Rules) Permissions() string {
	words := r.root.words()
	for _, s := range r.others {
		words = append(words, "("+strings.Join(s.words(), " ")+")")
	}
	return strings.Join(words, " ")
}

// Flags returns the words about the user as such.
func (r *Rules) Flags() []string {
	words := []string{"off"}
	if r.on {
		words[0] = "on"
	}
	if r.nopass {
		words = append(words, "nopass")
	}
	switch r.sanitize {
	case sanitizeNot:
		words = append(words, "skip-sanitize-payload")
	case sanitize:
		words = append(words, "sanitize-payload")
	}
	return words
}

// Passwords returns the hashes.
func (r *Rules) Passwords() []string { return slices.Clone(r.passwords) }

// Selector is what ACL GETUSER tells about a selector.
type Selector struct{ Commands, Keys, Channels string }

// Selectors returns the root and the others.
func (r *Rules) Selectors() (root Selector, others []Selector) {
	for _, s := range r.others {
		others = append(others, s.describe())
	}
	return r.root.describe(), others
}

func (s *selector) describe() Selector {
	return Selector{strings.Join(s.commandWords(), " "), strings.Join(s.keyWords(), " "), strings.Join(s.channelWords(), " ")}
}

func (s *selector) words() []string {
	words := s.keyWords()
	if !s.allChans {
		words = append(words, "resetchannels")
	}
	return append(append(words, s.channelWords()...), s.commandWords()...)
}

func (s *selector) keyWords() []string {
	if s.allKeys {
		return []string{"~*"}
	}
	var words []string
	for _, p := range s.keys {
		words = append(words, [...]string{"", "%R", "%W", ""}[p.may]+"~"+p.text)
	}
	return words
}

func (s *selector) channelWords() []string {
	if s.allChans {
		return []string{"&*"}
	}
	var words []string
	for _, c := range s.channels {
		words = append(words, "&"+c)
	}
	return words
}

// commandWords writes down which commands are allowed. so is what the words so
// far allow; left is what fits the categories that come, without those that were
// taken.
func (s *selector) commandWords() []string {
	so, left := newSelector(s.set, false), s.clone()
	so.permitAll(s.future)
	sign, words := "+", []string{"-@all"}
	if s.future {
		sign, words = "-", []string{"+@all"}
	}
	taken := make([]bool, len(categoryNames))
	for {
		best, least, most := -1, math.MaxInt, 0
		for i := range categoryNames {
			if taken[i] {
				continue
			}
			same, other := left.count(i)
			if s.future {
				same, other = other, same
			}
			if same > other && (other < least || other == least && same > most) {
				best, least, most = i, other, same
			}
		}
		if best < 0 {
			break
		}
		taken[best] = true
		so.permitCategory(1<<best, !s.future)
		left.permitCategory(1<<best, s.future)
		words = append(words, sign+"@"+categoryNames[best])
	}
	return append(words, s.singleWords(so)...)
}

// count returns how many commands of a category are allowed and how many not.
func (s *selector) count(category int) (on, off int) {
	for n, spec := range s.set.specs {
		if spec.Categories()&(1<<category) == 0 {
			continue
		}
		if s.commands.has(n) {
			on++
		} else {
			off++
		}
	}
	return on, off
}

// singleWords returns the rules about single commands that make s of so.
func (s *selector) singleWords(so *selector) (words []string) {
	for n, spec := range s.set.specs {
		on := s.commands.has(n)
		if on != so.commands.has(n) {
			sign := "-"
			if on {
				sign = "+"
			}
			words = append(words, sign+spec.FullName())
			so.permit(n, on)
		}
		if !on {
			for _, arg := range s.firstArgs[n] {
				words = append(words, "+"+spec.FullName()+"|"+arg)
			}
		}
	}
	return words
}
