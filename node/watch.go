package node

import "github.com/quorate/quorate/store"

// Serves reports whether this node serves a slot at this moment. It doesn't wait.
func (n *Node) Serves(slot int) bool {
	if !n.opt.Cluster {
		return true
	}
	mg := n.Map().Serving(slot)
	if mg == nil {
		return false
	}
	g := n.Groups()[mg.ID]
	return g != nil && g.Serving() != 0
}

// moved tells that slots or leaderships may have left this node.
func (n *Node) moved() {
	if n.opt.OnMove != nil {
		n.opt.OnMove()
	}
}

// onFollower: what clients of this node have read from the group, they won't be
// told of any longer.
func (n *Node) onFollower(*store.Group) {
	if n.opt.Tracker != nil {
		n.opt.Tracker.Replaced()
	}
	n.moved()
	n.poke()
}

// groupEvents returns what hears the keyspace events of a group: they are told
// by the node that leads it, and only if somebody wants to know.
func (n *Node) groupEvents(group uint32) func(class byte, event string, db int, key []byte) {
	if n.opt.OnEvent == nil {
		return nil
	}
	return func(class byte, event string, db int, key []byte) {
		if !n.opt.WantsEvent(class) {
			return
		}
		if g := n.Groups()[group]; g != nil && g.Serving() != 0 {
			n.opt.OnEvent(class, event, db, key)
		}
	}
}
