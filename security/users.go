package security

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// DefaultName is the name of the user that every connection begins with.
const DefaultName = "default"

// ErrDefault is returned by Delete for the default user.
var ErrDefault = errors.New("The 'default' user cannot be removed")

// User is one user. Connections hold on to it; its rules may change under them.
// Safe for concurrent use.
type User struct {
	Name  string
	rules atomic.Pointer[Rules]
	gone  atomic.Bool
}

// Rules returns the rules in force, which don't change.
func (u *User) Rules() *Rules { return u.rules.Load() }

// Gone reports whether the user was deleted: nobody may act as him any more.
func (u *User) Gone() bool { return u.gone.Load() }

// Change is what a change of the users means for connections: those of Gone must
// end, and those of Limited that subscribe to what they may not hear any more.
type Change struct {
	Gone    []*User
	Limited []*User
}

// Users are the users of a server. Safe for concurrent use.
type Users struct {
	Commands *Commands
	Log      Log

	standard     *User // the default user, who is never deleted
	openChannels atomic.Bool

	mu     sync.Mutex // held while the users change
	byName map[string]*User

	revision uint64 // guarded by mu; see sync.go
}

// NewUsers returns a server's users: the default one, who may do everything.
func NewUsers(set *Commands) *Users {
	u := &Users{Commands: set, standard: &User{Name: DefaultName}}
	u.Log.limit.Store(128)
	u.standard.rules.Store(All(set))
	u.byName = map[string]*User{DefaultName: u.standard}
	return u
}

// Default returns the default user.
func (u *Users) Default() *User { return u.standard }

// OpenChannels says whether new users and selectors may use all channels:
// acl-pubsub-default.
func (u *Users) OpenChannels(on bool) { u.openChannels.Store(on) }

// Find returns a user, or nil.
func (u *Users) Find(name string) *User {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.byName[name]
}

// All returns the users by name.
func (u *Users) All() []*User {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.allLocked()
}

func (u *Users) allLocked() []*User {
	var all []*User
	for _, name := range slices.Sorted(maps.Keys(u.byName)) {
		all = append(all, u.byName[name])
	}
	return all
}

// Authenticate returns the user if the password is his, or nil.
func (u *Users) Authenticate(name, password string) *User {
	if user := u.Find(name); user != nil && user.Rules().Accepts(password) {
		return user
	}
	return nil
}

// Next returns the rules that a user, new or not, has after rules, without
// putting them in force.
func (u *Users) Next(name string, words []string) (*Rules, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.nextLocked(name, words)
}

func (u *Users) nextLocked(name string, words []string) (*Rules, error) {
	if hasSpaces(name) {
		return nil, ErrName
	}
	open := u.openChannels.Load()
	next := NewRules(u.Commands, open)
	if user := u.byName[name]; user != nil {
		next = user.Rules().Clone()
		next.openChannels = open
	}
	if err := next.applyAll(words); err != nil {
		return nil, err
	}
	return next, nil
}

// Set changes a user by rules, or creates him: all of them or, with an error, none.
func (u *Users) Set(name string, words []string) (Change, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	next, err := u.nextLocked(name, words)
	if err != nil {
		return Change{}, err
	}
	return u.putLocked(name, next), nil
}

// putLocked puts rules in force.
func (u *Users) putLocked(name string, next *Rules) (c Change) {
	user := u.byName[name]
	if user == nil {
		user = &User{Name: name}
		u.byName[name] = user
	} else {
		c.Limited = []*User{user}
	}
	user.rules.Store(next)
	return c
}

// Delete removes users and returns how many of the names there were. It stops at
// the default user with an error.
func (u *Users) Delete(names []string) (c Change, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, name := range names {
		if name == DefaultName {
			return c, ErrDefault
		}
		if user := u.byName[name]; user != nil {
			u.dropLocked(user)
			c.Gone = append(c.Gone, user)
		}
	}
	return c, nil
}

func (u *Users) dropLocked(user *User) {
	user.gone.Store(true)
	delete(u.byName, user.Name)
}

// Replace puts a whole set of users in the place of the present one. The default
// user stays, with new rules; a set without him gives him back everything. As in
// Redis all others are new users, whose predecessors' connections end.
func (u *Users) Replace(all map[string]*Rules) (c Change) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, user := range u.allLocked() {
		if user != u.standard {
			u.dropLocked(user)
			c.Gone = append(c.Gone, user)
		}
	}
	standard := all[DefaultName]
	if standard == nil {
		standard = All(u.Commands)
	}
	u.putLocked(DefaultName, standard)
	for name, rules := range all {
		u.putLocked(name, rules)
	}
	c.Limited = []*User{u.standard}
	return c
}

// DefaultPassword sets the default user's password, none for "": requirepass.
func (u *Users) DefaultPassword(password string) {
	rules := []string{"resetpass", ">" + password}
	if password == "" {
		rules[1] = "nopass"
	}
	if _, err := u.Set(DefaultName, rules); err != nil {
		panic("the default user's password: " + err.Error()) // both rules are always valid
	}
}
