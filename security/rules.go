package security

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/quorate/quorate/command"
)

// Reason says why a command isn't allowed.
type Reason int

// The reasons. Of several selectors' the greatest is told.
const (
	Allowed Reason = iota
	Command
	Key
	Auth
	Channel
)

// String returns the reason as ACL LOG prints it.
func (r Reason) String() string { return [...]string{"", "command", "key", "auth", "channel"}[r] }

// Denial is what Check found: why a command isn't allowed, and the index of the
// argument that a Key or Channel is about.
type Denial struct {
	Reason Reason
	Index  int
}

// Text returns what ACL DRYRUN says.
func (d Denial) Text(spec *command.Spec, args [][]byte) string {
	switch d.Reason {
	case Command:
		return "This user has no permissions to run the '" + spec.FullName() + "' command"
	case Key:
		return "This user has no permissions to access the '" + string(args[d.Index]) + "' key"
	case Channel:
		return "This user has no permissions to access the '" + string(args[d.Index]) + "' channel"
	}
	return "OK"
}

// Object returns what the denial is about, as ACL LOG prints it.
func (d Denial) Object(spec *command.Spec, args [][]byte) string {
	switch d.Reason {
	case Key, Channel:
		return string(args[d.Index])
	case Auth:
		return string(args[0])
	}
	return spec.FullName()
}

// sanitizing is what a user's rules say about the check of RESTORE's payloads.
type sanitizing uint8

const (
	sanitizeUnsaid sanitizing = iota
	sanitizeNot
	sanitize
)

// Rules are what a user may do and how he proves who he is. They change only by
// Apply, before they are in force.
type Rules struct {
	set       *Commands
	on        bool
	nopass    bool
	sanitize  sanitizing
	passwords []string // SHA-256, hexadecimal
	root      *selector
	others    []*selector
	// openChannels says that new selectors may use all channels: acl-pubsub-default.
	openChannels bool
	// text is what String has returned since the last change: a cluster's nodes compare all
	// users at each change of one.
	text *atomic.Pointer[string]
}

// NewRules returns the rules of a new user: off, nothing allowed but, with
// openChannels, all channels.
func NewRules(set *Commands, openChannels bool) *Rules {
	return &Rules{set: set, openChannels: openChannels, root: newSelector(set, openChannels), text: new(atomic.Pointer[string])}
}

// All returns the rules of the default user: everything, without a password.
func All(set *Commands) *Rules {
	r := NewRules(set, true)
	r.on, r.nopass = true, true
	r.root.permitAll(true)
	r.root.allKeys = true
	return r
}

// Clone returns a copy to apply rules to.
func (r *Rules) Clone() *Rules {
	c := *r
	c.text = new(atomic.Pointer[string])
	c.passwords = slices.Clone(r.passwords)
	c.root = r.root.clone()
	c.others = nil
	for _, s := range r.others {
		c.others = append(c.others, s.clone())
	}
	return &c
}

// Apply changes the rules by one.
func (r *Rules) Apply(rule string) error {
	r.text.Store(nil)
	switch strings.ToLower(rule) {
	case "":
	case "on", "off":
		r.on = len(rule) == 2
	case "nopass":
		r.nopass, r.passwords = true, nil
	case "skip-sanitize-payload":
		r.sanitize = sanitizeNot
	case "sanitize-payload":
		r.sanitize = sanitize
	case "resetpass":
		r.nopass, r.passwords = false, nil
	case "clearselectors":
		r.others = nil
	case "reset":
		*r = Rules{set: r.set, sanitize: sanitize, openChannels: r.openChannels, root: newSelector(r.set, r.openChannels), text: r.text}
	default:
		return r.applyLonger(rule)
	}
	return nil
}

func (r *Rules) applyLonger(rule string) error {
	switch rule[0] {
	case '>', '#':
		hash := rule[1:]
		if rule[0] == '>' {
			hash = Hash(hash)
		} else if !validHash(hash) {
			return errBadHash
		}
		r.nopass = false
		if !slices.Contains(r.passwords, hash) {
			r.passwords = append(r.passwords, hash)
		}
		return nil
	case '<', '!':
		hash := rule[1:]
		if rule[0] == '<' {
			hash = Hash(hash)
		} else if !validHash(hash) {
			return errBadHash
		}
		i := slices.Index(r.passwords, hash)
		if i < 0 {
			return errNoPassword
		}
		r.passwords = slices.Delete(r.passwords, i, i+1)
		return nil
	case '(':
		if rule[len(rule)-1] == ')' {
			s := newSelector(r.set, r.openChannels)
			for _, inner := range splitQuoted(rule[1 : len(rule)-1]) {
				if err := s.apply(inner); err != nil {
					return err
				}
			}
			r.others = append(r.others, s)
			return nil
		}
	}
	return r.root.apply(rule)
}

// Hash returns the form in which passwords are kept.
func Hash(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}

func validHash(hash string) bool {
	return len(hash) == 2*sha256.Size && strings.Trim(hash, "0123456789abcdef") == ""
}

// Accepts reports whether the user is on and the password is one of his. How long
// it takes doesn't tell how much of a password is right.
func (r *Rules) Accepts(password string) bool {
	if !r.on {
		return false
	}
	if r.nopass {
		return true
	}
	given, found := []byte(Hash(password)), 0
	for _, p := range r.passwords {
		found |= subtle.ConstantTimeCompare([]byte(p), given)
	}
	return found == 1
}

// Open reports whether nobody has to prove who he is.
func (r *Rules) Open() bool { return r.on && r.nopass }

// NoPass reports whether any password is right.
func (r *Rules) NoPass() bool { return r.nopass }

// Unlimited reports whether everything is allowed.
func (r *Rules) Unlimited() bool { return r.root.allCommands && r.root.allKeys && r.root.allChans }

// Check reports whether a command is allowed. The arity fits.
func (r *Rules) Check(spec *command.Spec, args [][]byte) Denial {
	if r.Unlimited() {
		return Denial{}
	}
	number := r.set.number(spec)
	var uses keyUses
	worst := Denial{Command, 0}
	for i := -1; i < len(r.others); i++ {
		reason, at := r.selector(i).check(spec, number, args, &uses)
		if reason == Allowed {
			return Denial{}
		}
		if reason > worst.Reason || reason == worst.Reason && at > worst.Index {
			worst = Denial{reason, at}
		}
	}
	return worst
}

// selector returns the root for -1, and the others by number.
func (r *Rules) selector(i int) *selector {
	if i < 0 {
		return r.root
	}
	return r.others[i]
}

// ReadsAllKeys reports whether one selector allows the command and to read
// whatever key it comes upon: SORT with BY or GET.
func (r *Rules) ReadsAllKeys(spec *command.Spec, args [][]byte) bool {
	number := r.set.number(spec)
	var uses keyUses
	for i := -1; i < len(r.others); i++ {
		s := r.selector(i)
		if reason, _ := s.check(spec, number, args, &uses); reason == Allowed && s.readsAll() {
			return true
		}
	}
	return false
}

// Hears reports whether a subscription is allowed, by any selector.
func (r *Rules) Hears(name []byte, pattern bool) bool {
	for i := -1; i < len(r.others); i++ {
		if r.selector(i).hears(name, pattern) {
			return true
		}
	}
	return false
}
