package fsm

import (
	"strconv"
	"strings"

	"github.com/quorate/quorate/command"
)

// Internal commands are annotation lines of an entry: decisions of the leader
// that are no Redis commands. No client can send them.
var internalCommands = []*Command{
	{Write: own, Spec: command.Spec{Name: "#OWN", Arity: -3}},
	{Write: limit, Spec: command.Spec{Name: "#LIMIT", Arity: 3}},
	{Write: maxmemory, Spec: command.Spec{Name: "#MAXMEMORY", Arity: 2}},
	{Write: letScripts, Spec: command.Spec{Name: "#LETSCRIPTS", Arity: 1}},
	{Write: barred(FewReplicas), Spec: command.Spec{Name: "#FEWREPLICAS", Arity: 1}},
	{Write: barred(NotSaved), Spec: command.Spec{Name: "#NOTSAVED", Arity: 1}},
	{Write: panicNow, Spec: command.Spec{Name: "#PANIC", Arity: 1}},
}

// Own returns the unit that hands the group its slots as of an epoch of the
// slot map. Lines of an AOF annotation are limited, so it can be several.
func Own(slots *SlotSet, epoch uint64) []Op {
	cmd := writesByName["#OWN"]
	var ops []Op
	args := []string{"#own", strconv.FormatUint(epoch, 10), "="}
	flush := func() {
		b := make([][]byte, len(args))
		for i, a := range args {
			b[i] = []byte(a)
		}
		ops = append(ops, Op{Cmd: cmd, Args: b, Slot: -1})
		args = []string{"#own", args[1], "+"}
	}
	slots.Ranges(func(first, last uint16) {
		args = append(args, strconv.Itoa(int(first))+"-"+strconv.Itoa(int(last)))
		if len(args) == 60 {
			flush()
		}
	})
	if len(args) > 3 || len(ops) == 0 {
		flush()
	}
	return ops
}

// own implements #own epoch =|+ first-last ...: the group serves these slots, and with
// "=" no others. An older epoch than the one in force changes nothing.
func own(c *WriteCall) {
	epoch, err := strconv.ParseUint(string(c.Args[1]), 10, 64)
	if err != nil || epoch < c.m.epoch || c.m.owned == nil {
		return
	}
	c.m.epoch = epoch
	before := *c.m.owned
	c.m.waiters.ownerChanged()
	if string(c.Args[2]) == "=" {
		c.m.owned = &SlotSet{}
		c.m.tellReplaced() // changes in slots that leave are not seen here
	}
	for _, r := range c.Args[3:] {
		from, to, _ := strings.Cut(string(r), "-")
		first, err1 := strconv.ParseUint(from, 10, 14)
		last, err2 := strconv.ParseUint(to, 10, 14)
		if err1 == nil && err2 == nil {
			c.m.owned.Add(uint16(first), uint16(last))
		}
	}
	if c.m.feed != nil && *c.m.owned != before {
		c.m.feed.moved = true
	}
}

// Limit returns the step that sets one threshold of the compact encodings, by
// the name of its directive.
func Limit(name string, value int) Op {
	return Op{Cmd: writesByName["#LIMIT"], Slot: -1,
		Args: [][]byte{[]byte("#limit"), []byte(name), strconv.AppendInt(nil, int64(value), 10)}}
}

func limit(c *WriteCall) {
	n, err := strconv.Atoi(string(c.Args[2]))
	if p := c.m.LimitNamed(string(c.Args[1])); p != nil && err == nil {
		*p = n
	}
}

// PackedThreshold names the threshold that DEBUG QUICKLIST-PACKED-THRESHOLD
// sets. There is no directive for it.
const PackedThreshold = "quicklist-packed-threshold"

// LimitNamed returns the threshold of a directive, or nil.
func (m *Machine) LimitNamed(name string) *int {
	l := &m.ks.Limits
	switch name {
	case "hash-max-listpack-entries":
		return &l.HashMaxListpackEntries
	case "hash-max-listpack-value":
		return &l.HashMaxListpackValue
	case "list-max-listpack-size":
		return &l.ListMaxListpackSize
	case "list-compress-depth":
		return &l.ListCompressDepth
	case "set-max-intset-entries":
		return &l.SetMaxIntsetEntries
	case "zset-max-listpack-entries":
		return &l.ZsetMaxListpackEntries
	case "zset-max-listpack-value":
		return &l.ZsetMaxListpackValue
	case "stream-node-max-bytes":
		return &l.StreamNodeMaxBytes
	case "stream-node-max-entries":
		return &l.StreamNodeMaxEntries
	case "hll-sparse-max-bytes":
		return &l.HLLSparseMaxBytes
	case PackedThreshold:
		return &l.ListPlainFrom
	case "proto-max-bulk-len":
		return &l.ProtoMaxBulkLen
	}
	return nil
}
