package fsm

import (
	"errors"
	"math"
	"strconv"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/fsm/rdb"
)

const restoreSyntax = "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]"

// dumpCommands carry values from one server to another.
var dumpCommands = []*Command{
	{Read: dumpKey, Spec: command.Spec{
		Name: "DUMP", Arity: 2, Flags: command.ReadOnly, ACL: command.Keyspace,
		Keys:  command.FirstArg(command.KeyRO | command.KeyAccess),
		Group: "generic", Since: "2.6.0", Complexity: "O(N) where N is the size of the value",
		Syntax:  "key",
		Summary: "Returns the value of a key in a form that RESTORE understands.",
		Tips:    []string{"nondeterministic_output"},
	}},
	{Write: restoreValue, Log: logRestore, Spec: command.Spec{
		Name: "RESTORE", Arity: -4, Flags: command.Write | command.DenyOOM, ACL: command.Keyspace | command.Dangerous,
		Keys:  command.FirstArg(command.KeyOW | command.KeyUpdate),
		Group: "generic", Since: "2.6.0", Complexity: "O(N) where N is the size of the value, O(N*log(N)) for a sorted set",
		Syntax:  restoreSyntax,
		Summary: "Creates a key with a value that DUMP has returned.",
	}},
	{Write: restoreValue, Log: logRestore, Spec: command.Spec{
		Name: "RESTORE-ASKING", Arity: -4, Flags: command.Write | command.DenyOOM | command.Asking, ACL: command.Keyspace | command.Dangerous,
		Keys:  command.FirstArg(command.KeyOW | command.KeyUpdate),
		Group: "server", Since: "3.0.0", Complexity: "O(N) where N is the size of the value, O(N*log(N)) for a sorted set",
		Syntax:  restoreSyntax,
		Summary: "Creates a key in a slot that is being imported, with a value that DUMP has returned.",
	}},
}

// dumpKey implements DUMP key.
//
// Source: Redis 7.0 docs for DUMP. Reply: the payload, or null if the key is
// missing.
func dumpKey(c *ReadCall) {
	e := c.find(c.Args[1])
	if e == nil {
		c.Null()
		return
	}
	room := 64
	if e.Kind() == keyspace.KindString {
		room += e.StrLen()
	}
	c.Bulk(c.m.dump(make([]byte, 0, room), &e.Value, c.scripted))
}

// dump appends the payload for a value, compressed as the server is configured
// or, for a script, as every replica does it.
func (m *Machine) dump(dst []byte, v *keyspace.Value, scripted bool) []byte {
	if !scripted && m.uncompressed != nil && m.uncompressed() {
		return rdb.AppendPlainDump(dst, v)
	}
	return rdb.AppendDump(dst, v)
}

// restoreOptions are the options of RESTORE. How long a value was not used
// (seconds) and how often it was (0 to 255) are -1 if they are not given; one or
// the other counts, as the policy is: see accessed.
type restoreOptions struct {
	replace, absTTL bool
	idle, frequency int64
}

// parseRestoreOptions reads the options, or returns the text of the error.
func parseRestoreOptions(args [][]byte) (o restoreOptions, errText string) {
	o.idle, o.frequency = -1, -1
	for i := 4; i < len(args); i++ {
		more := i+1 < len(args)
		switch a := args[i]; {
		case isWord(a, "REPLACE"):
			o.replace = true
		case isWord(a, "ABSTTL"):
			o.absTTL = true
		case isWord(a, "IDLETIME") && more && o.frequency < 0:
			i++
			n, ok := keyspace.ParseInt(args[i])
			if !ok {
				return o, errNotInteger
			}
			if n < 0 {
				return o, errRestoreIdle
			}
			o.idle = n
		case isWord(a, "FREQ") && more && o.idle < 0:
			i++
			n, ok := keyspace.ParseInt(args[i])
			if !ok {
				return o, errNotInteger
			}
			if n < 0 || n > 255 {
				return o, errRestoreFreq
			}
			o.frequency = n
		default:
			return o, errSyntax
		}
	}
	return o, ""
}

// restoreTime returns the expiry in Unix milliseconds that a time to live means,
// 0 for none. A time beyond what can be counted wraps in Redis and counts as
// past; here too.
func restoreTime(ttl int64, absolute bool, now int64) int64 {
	switch {
	case ttl == 0 || absolute:
		return ttl
	case ttl > math.MaxInt64-now:
		return 1
	}
	return ttl + now
}

// logRestore makes the time to live absolute.
func logRestore(args [][]byte, now int64) [][]byte {
	o, errText := parseRestoreOptions(args)
	ttl, ok := keyspace.ParseInt(args[2])
	if errText != "" || !ok || ttl <= 0 || o.absTTL {
		return args
	}
	logged := append(make([][]byte, 0, len(args)+1), args...)
	logged[2] = strconv.AppendInt(nil, restoreTime(ttl, false, now), 10)
	return append(logged, []byte("ABSTTL"))
}

// restoreValue implements RESTORE key ttl serialized-value [REPLACE] [ABSTTL]
// [IDLETIME seconds] [FREQ frequency]. The payload is checked in full, whatever
// sanitize-dump-payload says.
//
// Source: Redis 7.0 docs for RESTORE. Reply: OK.
func restoreValue(c *WriteCall) {
	o, errText := parseRestoreOptions(c.Args)
	if errText != "" {
		c.Error(errText)
		return
	}
	key := c.Args[1]
	if !o.replace && c.modify(key) != nil {
		c.Error(errBusyKey)
		return
	}
	ttl, ok := c.intArg(2)
	if !ok {
		return
	}
	if ttl < 0 {
		c.Error(errRestoreTTL)
		return
	}
	v, err := rdb.ParseDump(c.Args[3], c.Limits())
	if errors.Is(err, rdb.ErrDump) {
		c.Error(errDumpFooter)
		return
	}
	if err != nil {
		c.Error(errDumpFormat) // where the payload is wrong is nothing that Redis tells
		return
	}
	replaced := o.replace && c.remove(key)
	at := restoreTime(ttl, o.absTTL, c.now)
	if at != 0 && at <= c.now {
		if replaced {
			c.changed('g', "del", key)
			c.propagate([]byte("DEL"), key)
		}
		c.OK()
		return
	}
	c.create(c.DB, key, v, at)
	c.accessed(key, o.idle, o.frequency)
	c.changed('g', "restore", key)
	c.OK()
}
