package fsm

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/resp"
	"github.com/quorate/quorate/slots/hashslot"
)

// commandTable is the table of all data commands, as main would build it.
var commandTable = sync.OnceValue(func() *command.Table[*Command] {
	t := command.NewTable[*Command]()
	for _, c := range Commands() {
		n := t.Add(&c.Spec, c)
		for _, s := range c.Sub {
			n.AddSub(&s.Spec, s)
		}
	}
	return t
})

// findCommand does what a session does before a command reaches a group. It
// returns the text of the error if the command can't be run.
func findCommand(args [][]byte) (*Command, string) {
	n := commandTable().Find(args[0])
	if n == nil {
		return nil, fmt.Sprintf("ERR unknown command '%s'", args[0])
	}
	if n.IsContainer() && len(args) > 1 {
		if n = n.Sub(args[1]); n == nil {
			return nil, fmt.Sprintf("ERR unknown subcommand '%s'. Try %s HELP.", args[1], strings.ToUpper(string(args[0])))
		}
	}
	if !n.Spec.ArityOK(len(args)) || n.IsContainer() {
		return nil, errArity(n.Spec.FullName())
	}
	return n.Item, ""
}

// pair is two replicas of one group: the leader runs the units that an entry
// was made of, the follower the entry's text. After each entry both must be in
// the same state and must have announced the same events.
type pair struct {
	t                testing.TB
	leader, follower *Machine
	events           [2][]string // of the last entry: leader's, follower's
	now              int64
	index            uint64
	proto            int
}

// scriptTime is the time at which pairs begin, Unix ms.
const scriptTime = 1_700_000_000_000

func newPair(t testing.TB, o Options) *pair {
	if o.Databases == 0 {
		o.Databases = 16
	}
	if o.Redirect == nil {
		o.Redirect = func(dst []byte, slot uint16) []byte { return fmt.Appendf(dst, "-MOVED %d 127.0.0.1:1\r\n", slot) }
	}
	p := &pair{t: t, leader: New(o), follower: New(o), now: scriptTime, proto: 2}
	for i, m := range []*Machine{p.leader, p.follower} {
		m.Events = func(class byte, event string, db int, key []byte) {
			p.events[i] = append(p.events[i], fmt.Sprintf("%s %d %s", event, db, quote(key)))
		}
	}
	return p
}

// do runs one command in an entry of its own and returns the reply.
func (p *pair) do(db int, args [][]byte) []byte {
	p.t.Helper()
	cmd, errText := findCommand(args)
	if cmd == nil {
		return []byte("-" + errText + "\r\n")
	}
	op := Op{Cmd: cmd, Args: args, DB: db, Slot: -1}
	reply := p.apply(0, op)
	if cmd.Read != nil && !hasTip(cmd, "nondeterministic_output") {
		u := &Unit{Ops: []Op{op}, Reply: &resp.Writer{Proto: p.proto}}
		if !p.leader.Read(u, p.now, 1) {
			p.t.Fatalf("%q: the read path asks to commit the time that is committed", args)
		}
		if !bytes.Equal(u.Reply.Buf, reply) {
			p.t.Fatalf("%q replied %q within an entry and %q as a read", args, reply, u.Reply.Buf)
		}
	}
	return reply
}

// doWords is do for a command without quotes, in database 0.
func (p *pair) doWords(line string) string {
	p.t.Helper()
	var args [][]byte
	for _, w := range strings.Fields(line) {
		args = append(args, []byte(w))
	}
	return string(p.do(0, args))
}

// apply puts ops into one entry that deletes up to expire keys and applies it
// on both replicas.
func (p *pair) apply(expire int, ops ...Op) []byte {
	p.t.Helper()
	p.index++
	p.events = [2][]string{}
	u := &Unit{Ops: ops, Reply: &resp.Writer{Proto: p.proto}}
	h := Header{Time: p.now, Seed: p.index * 0x9e3779b97f4a7c15, Origin: 1, Seq: p.index, Expire: expire}
	data, _ := AppendUnit(AppendHeader(nil, h), u, 0, p.now, p.index-1)
	if err := p.leader.Apply(p.index, data, []*Unit{u}); err != nil {
		p.t.Fatalf("leader: %v", err)
	}
	if err := p.follower.Apply(p.index, data, nil); err != nil {
		p.t.Fatalf("follower: %v\nentry: %q", err, data)
	}
	if a, b := p.leader.Chain(), p.follower.Chain(); a != b {
		p.t.Fatalf("digests differ after %q: %x and %x", data, a, b)
	}
	if a, b := fmt.Sprint(p.events[0]), fmt.Sprint(p.events[1]); a != b {
		p.t.Fatalf("events differ after %q:\n%s\n%s", data, a, b)
	}
	return u.Reply.Buf
}

// compare fails unless both replicas hold the same.
func (p *pair) compare() {
	p.t.Helper()
	if a, b := dump(p.leader.ks), dump(p.follower.ks); a != b {
		p.t.Fatalf("contents differ:\n%s\n-- and --\n%s", a, b)
	}
}

// dump writes everything that a keyspace holds, in its order.
func dump(ks *keyspace.Keyspace) string {
	var b strings.Builder
	for i := range ks.Databases() {
		db, n, expires := ks.DB(i), 0, 0
		db.Scan(0, math.MaxInt, func(e *keyspace.Entry) {
			n++
			if e.ExpireAt() != 0 {
				expires++
			}
			fmt.Fprintf(&b, "%d %d %q %d %s %s", i, hashslot.Of([]byte(e.Key())), e.Key(), e.ExpireAt(), e.Kind(), e.Encoding())
			for _, part := range dumpValue(&e.Value) {
				fmt.Fprintf(&b, " %q", part)
			}
			b.WriteByte('\n')
		})
		if n != db.Len() || expires != db.Expires() {
			fmt.Fprintf(&b, "database %d counts %d keys and %d expiries, but holds %d and %d\n", i, db.Len(), db.Expires(), n, expires)
		}
	}
	return b.String()
}

// dumpValue returns the content of a value in its order.
func dumpValue(v *keyspace.Value) (parts []string) {
	one := func(b []byte) bool {
		parts = append(parts, string(b))
		return true
	}
	two := func(a, b []byte) bool { return one(a) && one(b) }
	switch v.Kind() {
	case keyspace.KindString:
		var buf [20]byte
		one(v.Str(buf[:]))
	case keyspace.KindList:
		v.List().Each(func(_ int, value []byte) bool { return one(value) })
	case keyspace.KindSet:
		v.Set().Each(one)
	case keyspace.KindZSet:
		v.ZSet().EachStored(func(member []byte, score float64) {
			two(member, keyspace.AppendFloat(nil, score))
		})
	case keyspace.KindHash:
		v.Hash().Each(two)
	case keyspace.KindStream:
		parts = dumpStream(v.Stream())
	}
	return parts
}

func hasTip(c *Command, tip string) bool {
	for _, t := range c.Tips {
		if strings.HasPrefix(t, tip) {
			return true
		}
	}
	return false
}
