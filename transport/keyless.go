package transport

import (
	"strconv"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/resp"
)

// In cluster mode a client that sends a command without keys means this node,
// as in Redis. The node's data is that of the groups it leads: usually one, and
// more after others have failed.

// keyless runs a data command without keys in cluster mode.
func (s *Session) keyless(node *Node, args [][]byte) {
	name := node.Spec.Name
	if node.Spec.Parent() != nil {
		name = ""
	}
	if name == "SWAPDB" {
		s.reject(node, "ERR SWAPDB is not allowed in cluster mode")
		return
	}
	led := s.srv.opts.Router.Led()
	walk := walkCursor{}
	if name == "SCAN" {
		walk = parseWalk(args[1])
	}
	switch {
	case len(led) == 0 || walk.group >= len(led):
		s.direct(func() { s.emptyNode(name, node.Spec) })
	case len(led) == 1 && walk.group == 0:
		s.add(node, args, -1, led[0], false)
	default:
		s.flush()
		s.observed(node.Spec, func() { s.fanOut(name, node, args, led, walk) })
	}
}

// emptyNode replies for a node that leads no group.
func (s *Session) emptyNode(name string, spec *command.Spec) {
	switch name {
	case "DBSIZE":
		s.Int(0)
	case "KEYS":
		s.Array(0)
	case "RANDOMKEY":
		s.Null()
	case "SCAN":
		s.Array(2)
		s.BulkString("0")
		s.Array(0)
	default:
		if spec.Flags.Has(command.Write) {
			s.Error("READONLY You can't write against a read only replica.")
		} else {
			s.Error("CLUSTERDOWN This node leads no group")
		}
	}
}

// fanOut runs the command on several groups and joins the replies.
func (s *Session) fanOut(name string, node *Node, args [][]byte, led []Group, walk walkCursor) {
	switch name {
	case "DBSIZE":
		var sum int64
		if s.each(led, node, args, func(reply []byte) bool {
			n, err := strconv.ParseInt(string(reply[1:headerLen(reply)-2]), 10, 64)
			sum += n
			return err == nil
		}) {
			s.Int(sum)
		}
	case "KEYS":
		var keys []byte
		total := 0
		if s.each(led, node, args, func(reply []byte) bool {
			n, err := strconv.Atoi(string(reply[1 : headerLen(reply)-2]))
			keys, total = append(keys, reply[headerLen(reply):]...), total+n
			return err == nil
		}) {
			s.Array(total)
			s.Raw(keys)
		}
	case "SCAN":
		s.scan(node, args, led, walk)
	case "RANDOMKEY":
		// Which group comes first changes from call to call; one without keys
		// hands over to the next.
		first := int(s.srv.stats.commands.Load()+s.processed) % len(led)
		for i := range led {
			reply, ok := s.ask(led[(first+i)%len(led)], node, args)
			if !ok {
				return
			}
			if null := reply[0] == '_' || len(reply) > 1 && reply[1] == '-'; !null || i == len(led)-1 {
				s.Raw(reply)
				return
			}
		}
	default:
		parent := node.Spec.Parent()
		if node.Spec.Flags.Has(command.Write) || parent != nil && parent.Name == "SCRIPT" && node.Item.Data.Write != nil {
			// FLUSHALL, FLUSHDB, SCRIPT LOAD and what else has one answer.
			var last []byte
			if s.each(led, node, args, func(reply []byte) bool {
				last = reply
				return true
			}) {
				s.Raw(last)
			}
			return
		}
		if reply, ok := s.ask(led[0], node, args); ok {
			s.Raw(reply)
		}
	}
}

// each asks all groups and stops at the first error, which is then the reply.
func (s *Session) each(led []Group, node *Node, args [][]byte, take func(reply []byte) bool) bool {
	for _, g := range led {
		reply, ok := s.ask(g, node, args)
		if !ok {
			return false
		}
		if !take(reply) {
			s.Error("ERR unexpected reply of a group")
			return false
		}
	}
	return true
}

// ask runs the command on one group and returns its reply. An error has been
// replied already when it returns false.
func (s *Session) ask(g Group, node *Node, args [][]byte) ([]byte, bool) {
	w := resp.Writer{Proto: s.out.Proto}
	u := fsm.Unit{Ops: []fsm.Op{{Cmd: node.Item.Data, Args: args, DB: s.db, Slot: -1, As: s.as(node)}}, Reply: &w}
	if err := g.Do(&u); err != nil {
		s.Error(replyFor(err, true, func() string { return "CLUSTERDOWN A group of this node is changing its leader" }))
		return nil, false
	}
	if len(w.Buf) == 0 || w.Buf[0] == '-' {
		s.Raw(w.Buf)
		return nil, false
	}
	return w.Buf, true
}

// walkCursor is a cursor of SCAN over several groups: the upper 16 bits are the
// group's place among those the node leads, the rest is the group's own cursor,
// which needs 48. A change of leadership during the walk can skip keys, as a
// moved slot can in Redis.
type walkCursor struct {
	group int
	inner uint64
}

const innerBits = 48

func parseWalk(arg []byte) walkCursor {
	c, err := strconv.ParseUint(string(arg), 10, 64)
	if err != nil {
		return walkCursor{} // the command's handler replies the error
	}
	return walkCursor{int(c >> innerBits), c & (1<<innerBits - 1)}
}

// scan asks the group where the walk stands and translates its cursor.
func (s *Session) scan(node *Node, args [][]byte, led []Group, walk walkCursor) {
	own := append([][]byte(nil), args...)
	if walk.group > 0 {
		own[1] = strconv.AppendUint(nil, walk.inner, 10)
	}
	reply, ok := s.ask(led[walk.group], node, own)
	if !ok {
		return
	}
	// *2 $<n> <cursor> *<keys> ...
	reply = reply[headerLen(reply):]
	n := replyLen(reply)
	text := reply[headerLen(reply) : n-2]
	next, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		s.Error("ERR unexpected reply of a group")
		return
	}
	switch {
	case next != 0:
		next |= uint64(walk.group) << innerBits
	case walk.group+1 < len(led):
		next = uint64(walk.group+1) << innerBits
	}
	s.Array(2)
	s.BulkString(strconv.FormatUint(next, 10))
	s.Raw(reply[n:])
}
