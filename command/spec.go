// Package command describes commands: names, arity, flags, where the keys are,
// ACL categories and documentation. It holds no handler; the packages that
// implement commands embed a Spec beside each handler and main joins them into
// one Table. Everything that needs to know about commands reads the table.
package command

import "strings"

// Flags are the command flags of Redis 7.0 as COMMAND INFO prints them.
type Flags uint32

// The flags, in the order in which COMMAND INFO lists them.
const (
	Write Flags = 1 << iota
	ReadOnly
	DenyOOM
	Admin
	PubSub
	NoScript
	Blocking
	Loading
	Stale
	SkipMonitor
	SkipSlowlog
	Asking
	Fast
	NoAuth
	MayReplicate
	NoAsyncLoading
	NoMulti
	MovableKeys
	AllowBusy
	NoMandatoryKeys
)

var flagNames = []string{"write", "readonly", "denyoom", "admin", "pubsub", "noscript", "blocking", "loading",
	"stale", "skip_monitor", "skip_slowlog", "asking", "fast", "no_auth", "may_replicate", "no_async_loading",
	"no_multi", "movablekeys", "allow_busy", "no_mandatory_keys"}

// Names returns the flags' names as COMMAND INFO prints them: it hides may_replicate.
func (f Flags) Names() []string { return names(uint32(f&^MayReplicate), flagNames) }

// Has reports whether all flags of g are set in f.
func (f Flags) Has(g Flags) bool { return f&g == g }

// Categories are the ACL categories of Redis 7.0.
type Categories uint32

// The categories, in the order of ACL CAT.
const (
	Keyspace Categories = 1 << iota
	Read
	Writes
	Set
	SortedSet
	List
	Hash
	String
	Bitmap
	HyperLogLog
	Geo
	Stream
	PubSubs
	Admins
	FastOnes
	Slow
	BlockingOnes
	Dangerous
	Connection
	Transaction
	Scripting
)

var categoryNames = []string{"keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap",
	"hyperloglog", "geo", "stream", "pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection",
	"transaction", "scripting"}

// Names returns the categories' names without the "@".
func (c Categories) Names() []string { return names(uint32(c), categoryNames) }

func names(bits uint32, all []string) []string {
	var out []string
	for i, name := range all {
		if bits&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	return out
}

// Spec is what is known about a command besides how to run it.
type Spec struct {
	Name  string // upper case; of a subcommand the second word alone ("ENCODING")
	Arity int    // arguments including the name; negative: at least so many
	Flags Flags
	Keys  []KeySpec
	// Extract finds the keys where Keys can't say it (SORT's STORE, MIGRATE).
	// It returns indexes into args and false if the arguments make no sense.
	Extract func(args [][]byte) ([]int, bool)
	ACL     Categories // categories beyond those that follow from Flags: see Categories

	Group      string // group of COMMAND DOCS: string, hash, generic, connection ...
	Since      string // version of Redis that introduced it
	Summary    string
	Complexity string
	Syntax     string   // arguments in the notation of the Redis docs, e.g. "key value [NX | XX] [GET]"; COMMAND DOCS is made of it
	Tips       []string // COMMAND INFO's tips
	Subs       []*Spec  // subcommands, for containers such as OBJECT

	parent *Spec
}

// FullName returns "OBJECT|ENCODING" for a subcommand and the name otherwise,
// in lower case, as ACL rules and COMMAND INFO write it.
func (s *Spec) FullName() string {
	if s.parent != nil {
		return strings.ToLower(s.parent.Name + "|" + s.Name)
	}
	return strings.ToLower(s.Name)
}

// Parent returns the container of a subcommand, or nil.
func (s *Spec) Parent() *Spec { return s.parent }

// Categories returns all ACL categories, with those that follow from the flags
// as in Redis 7.0 (setImplicitACLCategories).
func (s *Spec) Categories() Categories {
	c := s.ACL
	f := s.Flags
	if f.Has(Write) {
		c |= Writes
	}
	if f.Has(ReadOnly) && c&Scripting == 0 {
		c |= Read
	}
	if f.Has(Admin) {
		c |= Admins | Dangerous
	}
	if f.Has(PubSub) {
		c |= PubSubs
	}
	if f.Has(Fast) {
		c |= FastOnes
	}
	if f.Has(Blocking) {
		c |= BlockingOnes
	}
	if c&FastOnes == 0 {
		c |= Slow
	}
	return c
}

// ArityOK reports whether n arguments, the command's name (and subcommand)
// included, are acceptable.
func (s *Spec) ArityOK(n int) bool {
	if s.Arity >= 0 {
		return n == s.Arity
	}
	return n >= -s.Arity
}
