package fsm

import (
	"math"
	"strconv"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/keyspace"
)

// expireCommands are the commands on expiries.
var expireCommands = []*Command{
	{Write: expire, Log: logExpire, Spec: command.Spec{
		Name: "EXPIRE", Arity: -3, Flags: command.Write | command.Fast, ACL: command.Keyspace,
		Keys:  command.FirstArg(command.KeyRW | command.KeyUpdate),
		Group: "generic", Since: "1.0.0", Complexity: "O(1)",
		Syntax:  "key seconds [NX | XX | GT | LT]",
		Summary: "Sets the expiry of a key to a number of seconds from now.",
	}},
	{Write: expireat, Spec: command.Spec{
		Name: "EXPIREAT", Arity: -3, Flags: command.Write | command.Fast, ACL: command.Keyspace,
		Keys:  command.FirstArg(command.KeyRW | command.KeyUpdate),
		Group: "generic", Since: "1.2.0", Complexity: "O(1)",
		Syntax:  "key unix-time-seconds [NX | XX | GT | LT]",
		Summary: "Sets the expiry of a key to a Unix time in seconds.",
	}},
	{Write: pexpire, Log: logExpire, Spec: command.Spec{
		Name: "PEXPIRE", Arity: -3, Flags: command.Write | command.Fast, ACL: command.Keyspace,
		Keys:  command.FirstArg(command.KeyRW | command.KeyUpdate),
		Group: "generic", Since: "2.6.0", Complexity: "O(1)",
		Syntax:  "key milliseconds [NX | XX | GT | LT]",
		Summary: "Sets the expiry of a key to a number of milliseconds from now.",
	}},
	{Write: pexpireat, Spec: command.Spec{
		Name: "PEXPIREAT", Arity: -3, Flags: command.Write | command.Fast, ACL: command.Keyspace,
		Keys:  command.FirstArg(command.KeyRW | command.KeyUpdate),
		Group: "generic", Since: "2.6.0", Complexity: "O(1)",
		Syntax:  "key unix-time-milliseconds [NX | XX | GT | LT]",
		Summary: "Sets the expiry of a key to a Unix time in milliseconds.",
	}},
	{Read: expiretime, Spec: command.Spec{
		Name: "EXPIRETIME", Arity: 2, Flags: command.ReadOnly | command.Fast, ACL: command.Keyspace,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "generic", Since: "7.0.0", Complexity: "O(1)",
		Syntax:  "key",
		Summary: "Returns the Unix time in seconds at which a key expires.",
	}},
	{Read: pexpiretime, Spec: command.Spec{
		Name: "PEXPIRETIME", Arity: 2, Flags: command.ReadOnly | command.Fast, ACL: command.Keyspace,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "generic", Since: "7.0.0", Complexity: "O(1)",
		Syntax:  "key",
		Summary: "Returns the Unix time in milliseconds at which a key expires.",
	}},
	{Read: ttl, Spec: command.Spec{
		Name: "TTL", Arity: 2, Flags: command.ReadOnly | command.Fast, ACL: command.Keyspace,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "generic", Since: "1.0.0", Complexity: "O(1)",
		Syntax:  "key",
		Summary: "Returns the seconds until a key expires.",
		Tips:    []string{"nondeterministic_output"},
	}},
	{Read: pttl, Spec: command.Spec{
		Name: "PTTL", Arity: 2, Flags: command.ReadOnly | command.Fast, ACL: command.Keyspace,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "generic", Since: "2.6.0", Complexity: "O(1)",
		Syntax:  "key",
		Summary: "Returns the milliseconds until a key expires.",
		Tips:    []string{"nondeterministic_output"},
	}},
	{Write: persist, Spec: command.Spec{
		Name: "PERSIST", Arity: 2, Flags: command.Write | command.Fast, ACL: command.Keyspace,
		Keys:  command.FirstArg(command.KeyRW | command.KeyUpdate),
		Group: "generic", Since: "2.2.0", Complexity: "O(1)",
		Syntax:  "key",
		Summary: "Removes the expiry of a key.",
	}},
}

// expire implements EXPIRE key seconds [NX | XX | GT | LT].
func expire(c *WriteCall) { c.expireKey("expire", true, c.now) }

// pexpire implements PEXPIRE key milliseconds [NX | XX | GT | LT].
func pexpire(c *WriteCall) { c.expireKey("pexpire", false, c.now) }

// expireat implements EXPIREAT key unix-time-seconds [NX | XX | GT | LT].
func expireat(c *WriteCall) { c.expireKey("expireat", true, 0) }

// pexpireat implements PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT].
func pexpireat(c *WriteCall) { c.expireKey("pexpireat", false, 0) }

// expireKey is what the four share: the number counts from base (Unix ms).
//
// Source: Redis 7.0 docs for EXPIRE. Reply: 1 if the expiry was set, which
// deletes the key if it is past; 0 if the key is missing or an option forbade it.
func (c *WriteCall) expireKey(name string, seconds bool, base int64) {
	key := c.Args[1]
	cond, errText := parseExpireOptions(c.Args)
	if errText != "" {
		c.Error(errText)
		return
	}
	at, errText := expiryTime(c.Args[2], seconds, base, name)
	if errText != "" {
		c.Error(errText)
		return
	}
	e := c.modify(key)
	if e == nil || !cond.allows(e.ExpireAt(), at) {
		c.Int(0)
		return
	}
	c.expireOrDelete(key, at, c.Args[3:])
	c.Int(1)
}

// expireOrDelete sets the expiry of a key that exists, or deletes it if the
// expiry is past. The options are those of an EXPIRE.
func (c *WriteCall) expireOrDelete(key []byte, at int64, options [][]byte) {
	if at <= c.now {
		c.remove(key)
		c.changed('g', "del", key)
		c.propagate([]byte("DEL"), key)
		return
	}
	c.expireAt(key, at)
	c.changed('g', "expire", key)
	if c.feeding() {
		c.propagate(append([][]byte{[]byte("PEXPIREAT"), key, strconv.AppendInt(nil, at, 10)}, options...)...)
	}
}

// expireOptions are conditions on the expiry that a key has already.
type expireOptions struct{ nx, xx, gt, lt bool }

// parseExpireOptions reads the options behind key and time, or returns the
// text of the error.
func parseExpireOptions(args [][]byte) (o expireOptions, errText string) {
	for _, a := range args[3:] {
		switch {
		case isWord(a, "NX"):
			o.nx = true
		case isWord(a, "XX"):
			o.xx = true
		case isWord(a, "GT"):
			o.gt = true
		case isWord(a, "LT"):
			o.lt = true
		default:
			return o, errFormat("ERR Unsupported option " + cString(a))
		}
	}
	if o.nx && (o.xx || o.gt || o.lt) {
		return o, errExpireNX
	}
	if o.gt && o.lt {
		return o, errExpireGTLT
	}
	return o, ""
}

// allows reports whether a key whose expiry is old (0: none, which counts as
// later than any) may get the expiry at.
func (o expireOptions) allows(old, at int64) bool {
	switch {
	case o.nx && old != 0, o.xx && old == 0:
		return false
	case o.gt && (old == 0 || at <= old):
		return false
	case o.lt && old != 0 && at >= old:
		return false
	}
	return true
}

// expiryTime returns the Unix time in milliseconds that arg means, counted from
// base, or the text of the error that the command of this name replies.
func expiryTime(arg []byte, seconds bool, base int64, name string) (at int64, errText string) {
	n, ok := keyspace.ParseInt(arg)
	if !ok {
		return 0, errNotInteger
	}
	if seconds {
		if n > math.MaxInt64/1000 || n < math.MinInt64/1000 {
			return 0, errExpireTime(name)
		}
		n *= 1000
	}
	if n > math.MaxInt64-base {
		return 0, errExpireTime(name)
	}
	return n + base, ""
}

// logExpire turns EXPIRE and PEXPIRE into PEXPIREAT.
func logExpire(args [][]byte, now int64) [][]byte {
	if _, errText := parseExpireOptions(args); errText != "" {
		return args
	}
	at, errText := expiryTime(args[2], isWord(args[0], "EXPIRE"), now, "expire")
	if errText != "" {
		return args
	}
	out := append(make([][]byte, 0, len(args)), []byte("PEXPIREAT"), args[1], strconv.AppendInt(nil, at, 10))
	return append(out, args[3:]...)
}

// ttl implements TTL key. Reply: seconds, -1 without an expiry, -2 without a key.
func ttl(c *ReadCall) { c.replyExpiry(c.now, true) }

// pttl implements PTTL key; see ttl.
func pttl(c *ReadCall) { c.replyExpiry(c.now, false) }

// expiretime implements EXPIRETIME key; see ttl.
func expiretime(c *ReadCall) { c.replyExpiry(0, true) }

// pexpiretime implements PEXPIRETIME key; see ttl.
func pexpiretime(c *ReadCall) { c.replyExpiry(0, false) }

// replyExpiry replies how long after base (Unix ms) the key expires. Seconds
// are rounded to the nearest.
func (c *ReadCall) replyExpiry(base int64, seconds bool) {
	e := c.look(c.Args[1])
	if e == nil {
		c.Int(-2)
		return
	}
	at := e.ExpireAt()
	if at == 0 {
		c.Int(-1)
		return
	}
	left := at - base
	if seconds {
		left = int64((uint64(left) + 500) / 1000) // left is positive, and the sum may not fit
	}
	c.Int(left)
}

// persist implements PERSIST key. Reply: 1 if the key had an expiry, else 0.
func persist(c *WriteCall) {
	key := c.Args[1]
	if c.modify(key) == nil || !c.persist(key) {
		c.Int(0)
		return
	}
	c.changed('g', "persist", key)
	c.Int(1)
}
