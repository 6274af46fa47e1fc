package security

import (
	"errors"
	"fmt"
	"strings"
)

// Line returns a user as a line of a file of users.
func (u *User) Line() string { return "user " + u.Name + " " + u.Rules().String() }

// Text returns all users as a file.
func (u *Users) Text() string {
	var b strings.Builder
	for _, user := range u.All() {
		b.WriteString(user.Line() + "\n")
	}
	return b.String()
}

// ParseText reads a file of users. path is for the messages about what is wrong
// in it, all of which the error has.
func (u *Users) ParseText(path, text string) (map[string]*Rules, error) {
	all := map[string]*Rules{}
	var problems strings.Builder
	for i, line := range strings.Split(text, "\n") {
		line = strings.Trim(line, " \t\r\n")
		if line == "" {
			continue
		}
		words := strings.Split(line, " ")
		if words[0] != "user" || len(words) < 2 {
			fmt.Fprintf(&problems, "%s:%d: line should start with user keyword followed by the username. "+
				"Each user definition should be in a single line. ", path, i+1)
			continue
		}
		name := words[1]
		switch {
		case hasSpaces(name):
			fmt.Fprintf(&problems, "'%s:%d: username '%s' contains invalid characters. ", path, i+1, name)
			continue
		case all[name] != nil:
			fmt.Fprintf(&problems, "WARNING: Duplicate user '%s' found on line %d. ", name, i+1)
			continue
		}
		rules := NewRules(u.Commands, u.openChannels.Load())
		for _, problem := range rules.applyLine(words[2:]) {
			fmt.Fprintf(&problems, "%s:%d: %s. ", path, i+1, strings.TrimSuffix(problem.Error(), "."))
		}
		all[name] = rules
	}
	if problems.Len() > 0 {
		return nil, errors.New(problems.String() + "WARNING: ACL errors detected, no change to the previously active ACL rules was performed")
	}
	return all, nil
}

// applyLine applies the rules of a line and returns what is wrong with them.
func (r *Rules) applyLine(words []string) (problems []error) {
	rules, err := joinSelectors(words)
	if err != nil {
		return []error{errors.New("Unmatched parenthesis in selector definition")}
	}
	unknown := false // of these only the first is told
	for _, rule := range rules {
		err := r.Apply(rule)
		switch {
		case err == nil:
		case errors.Is(err, errUnknown):
			if !unknown {
				problems = append(problems, fmt.Errorf("Error in applying operation '%s': %w", rule, err))
			}
			unknown = true
		default:
			problems = append(problems, err)
		}
	}
	return problems
}

// ErrDuplicate is returned by ParseLines for a user with two lines.
var ErrDuplicate = errors.New("Duplicate user found. A user can only be defined once in config files")

// ParseLines reads the users of a configuration: what stands behind "user" in
// each line.
func (u *Users) ParseLines(lines [][]string) (map[string]*Rules, error) {
	all := map[string]*Rules{}
	for _, words := range lines {
		name := words[0]
		switch {
		case hasSpaces(name):
			return nil, ErrName
		case all[name] != nil:
			return nil, ErrDuplicate
		}
		rules := NewRules(u.Commands, u.openChannels.Load())
		if err := rules.applyAll(words[1:]); err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		all[name] = rules
	}
	return all, nil
}

// Words returns what stands behind "user" in the user's line of a configuration.
func (u *User) Words() []string {
	return append([]string{u.Name}, strings.Split(u.Rules().String(), " ")...)
}
