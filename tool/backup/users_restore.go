package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	defaultUser = "default"
	// openDefault is the default user as a server begins with him.
	openDefault = "user " + defaultUser + " on nopass ~* &* +@all"
)

// emptyUser are the rules that leave nothing of a user. "reset" would do, but that a
// user had it is seen in ACL LIST ever after.
var emptyUser = []string{"off", "resetpass", "resetkeys", "resetchannels", "clearselectors", "nocommands"}

// RestoredUsers is what RestoreUsers has done.
type RestoredUsers struct {
	Users int // of the backup
	Set   int // of them
	There int // of them that were like that already
	// Busy are those who stayed what they were, as Replace was not set.
	Busy []string
	// Differ are those whom the server shows otherwise than the backup, though they were set.
	Differ []string
	// Forgets says that the server keeps its users in a file only if it is told to.
	Forgets bool
}

// restoringUsers is a RestoreUsers under way, or to come.
type restoringUsers struct {
	top     *topology
	replace bool
	self    string   // the user as whom the tool logs in
	lines   []string // of the backup, in the order in which they are set; without self's
	own     []string // self's line, if there is one

	sent map[string]bool // names; the reply may have been lost
	set  map[string]bool
	done RestoredUsers
}

// prepareUsers looks whether users can be restored, and changes nothing.
func prepareUsers(ctx context.Context, top *topology, o RestoreOptions, lines []string) (*restoringUsers, error) {
	u := &restoringUsers{top: top, replace: o.Replace, self: cmp.Or(o.To.User, defaultUser), sent: map[string]bool{}, set: map[string]bool{}}
	u.done.Users, u.done.Forgets = len(lines), !top.isCluster()
	// The default user behind the others, and the tool's own at the very end: with
	// either of them whoever restores may lose his access.
	for _, last := range []bool{false, true} {
		for _, line := range lines {
			switch name := userName(line); {
			case name == u.self:
				u.own = []string{line}
			case (name == defaultUser) == last:
				u.lines = append(u.lines, line)
			}
		}
	}
	if top.isCluster() {
		version, _, err := about(ctx, o.To)
		if err != nil {
			return nil, err
		}
		if version == "" {
			return nil, fmt.Errorf("%s is part of a cluster that is no Quorate: there each server has users of its own", o.To.Addr)
		}
	}
	return u, top.anywhere(ctx, func(c *conn) error {
		have, err := c.users()
		if err != nil {
			return err
		}
		if busy := u.busy(have); len(busy) > 0 {
			return fmt.Errorf("users that are there already, and not as in the backup: %s; --replace replaces them", strings.Join(busy, ", "))
		}
		// No rules, no change, but who may not change users is told so now.
		_, err = c.do("ACL", "SETUSER", u.self)
		return err
	})
}

// RestoreUsers puts the users of the backup into the server or cluster; Restore must have been told
// to prepare it. It is the last step: with it the tool's access may end. It may be done again.
func (r *Restored) RestoreUsers(ctx context.Context) (*RestoredUsers, error) {
	u := r.users
	err := u.top.anywhere(ctx, u.restore)
	var refused refusal
	if errors.As(err, &refused) && u.sent[u.self] && slices.Contains([]string{"NOAUTH", "WRONGPASS", "NOPERM"}, refused.code()) {
		err = fmt.Errorf("the reply was lost when user %q was set, as whom this command logs in, and now he has no access: it seems he was set: %w", u.self, err)
	}
	u.done.Set = len(u.set)
	return &u.done, err
}

// restore sets all users over one connection.
func (u *restoringUsers) restore(c *conn) error {
	u.done.There, u.done.Busy = 0, nil
	if err := u.put(c, u.lines); err != nil {
		return err
	}
	if err := u.compare(c); err != nil || len(u.own) == 0 {
		return err
	}
	if err := u.put(c, u.own); err != nil {
		return err
	}
	_ = u.compare(c) // which may be refused from now on
	return nil
}

// put sets users, each by one command.
func (u *restoringUsers) put(c *conn, lines []string) error {
	have, err := c.users()
	if err != nil {
		return err
	}
	there, busy := byName(have), u.busy(have)
	for _, line := range lines {
		name := userName(line)
		old, exists := there[name]
		switch {
		case exists && sameUser(old, line):
			if u.sent[name] {
				u.set[name] = true
			} else {
				u.done.There++
			}
			continue
		case slices.Contains(busy, name):
			u.done.Busy = append(u.done.Busy, name)
			continue
		}
		command := append([]string{"ACL", "SETUSER", name}, emptyUser...)
		if strings.Contains(old, " skip-sanitize-payload ") {
			command = append(command, "sanitize-payload")
		}
		u.sent[name] = true
		if _, err := c.do(append(command, userRules(line)...)...); err != nil {
			return fmt.Errorf("user %.80q: %w", name, err)
		}
		u.set[name] = true
	}
	return nil
}

// busy returns who of the backup is among those who are there and is to stay, as he differs.
// The default user always is there; he stays if somebody has changed him.
func (u *restoringUsers) busy(have []string) (names []string) {
	if u.replace {
		return nil
	}
	there := byName(have)
	for _, line := range slices.Concat(u.lines, u.own) {
		name := userName(line)
		if old, ok := there[name]; ok && !u.sent[name] && !sameUser(old, line) && !sameUser(old, openDefault) {
			names = append(names, name)
		}
	}
	return names
}

// compare looks who of those who were set is not as in the backup.
func (u *restoringUsers) compare(c *conn) error {
	have, err := c.users()
	if err != nil {
		return err
	}
	there := byName(have)
	u.done.Differ = nil
	for _, line := range slices.Concat(u.lines, u.own) {
		if name := userName(line); u.set[name] && (there[name] == "" || !sameUser(there[name], line)) {
			u.done.Differ = append(u.done.Differ, name)
		}
	}
	return nil
}

func byName(lines []string) map[string]string {
	all := map[string]string{}
	for _, line := range lines {
		all[userName(line)] = line
	}
	return all
}

// sameUser reports whether two lines, of one user, give him the same rules. Servers list
// single commands in different orders, and to say sanitize-payload is to say nothing.
func sameUser(a, b string) bool { return slices.Equal(normalRules(a), normalRules(b)) }

func normalRules(line string) (rules []string) {
	for _, part := range strings.Split(line, " (") { // the root, the selectors
		from := len(rules)
		for _, word := range strings.Split(strings.TrimSuffix(part, ")"), " ") {
			switch {
			case strings.HasPrefix(word, "+@") || strings.HasPrefix(word, "-@"):
				slices.Sort(rules[from:]) // what stands before and behind a category is not the same
				rules = append(rules, word)
				from = len(rules)
			case word != "sanitize-payload":
				rules = append(rules, word)
			}
		}
		slices.Sort(rules[from:])
		rules = append(rules, "")
	}
	return rules
}
