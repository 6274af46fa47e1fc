package security

import (
	"maps"
	"slices"
	"strings"
)

// In a cluster the users are those of a revision that all nodes agree on.

// Copy returns users of their own with the present rules, to try a change on, and
// the revision they are of.
func (u *Users) Copy() (*Users, uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	c := NewUsers(u.Commands)
	c.openChannels.Store(u.openChannels.Load())
	for name, user := range u.byName {
		c.putLocked(name, user.Rules())
	}
	return c, u.revision
}

// Revision returns the revision of the cluster's users in force; 0: none.
func (u *Users) Revision() uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.revision
}

// Sync puts a revision of the cluster's users in force, unless it is an old one: by
// name, their rules as String writes them. Users whose rules stay as they are keep
// their connections. One whose rules this version can't read may do nothing.
func (u *Users) Sync(revision uint64, all map[string]string) (c Change) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if revision <= u.revision {
		return c
	}
	u.revision = revision
	for _, user := range u.allLocked() {
		if _, stays := all[user.Name]; !stays && user != u.standard {
			u.dropLocked(user)
			c.Gone = append(c.Gone, user)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if old := u.byName[name]; old != nil && old.Rules().String() == all[name] {
			continue
		}
		rules := NewRules(u.Commands, false)
		if err := rules.applyAll(strings.Split(all[name], " ")); err != nil {
			rules = NewRules(u.Commands, false)
		}
		c.Limited = append(c.Limited, u.putLocked(name, rules).Limited...)
	}
	return c
}
