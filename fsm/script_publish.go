package fsm

import (
	"bytes"

	"github.com/quorate/quorate/slots/hashslot"
)

// Messages of scripts aren't in the log: the replica that answers the script
// publishes them. How many clients heard one is known there only, and a script
// could store it: the reply is 0 everywhere.

// publish implements PUBLISH and SPUBLISH in a script.
func (h *scriptHost) publish(shard bool, channel, payload []byte) {
	h.reply.Int(0)
	m, a := h.read.m, h.read.attempt
	if m.Publish == nil || a == nil && !m.answers {
		return
	}
	if a == nil {
		m.Publish(shard, channel, payload)
		return
	}
	channel, payload = bytes.Clone(channel), bytes.Clone(payload)
	a.hold(len(channel)+len(payload), func() { m.Publish(shard, channel, payload) })
}

// publishShard is SPUBLISH in a script: the channel's slot must be the group's.
func publishShard(h *scriptHost, args [][]byte) {
	if !h.read.m.serves(int(hashslot.Of(args[1]))) {
		h.reply.Error("ERR " + errScriptNonLocal)
		return
	}
	h.publish(true, args[1], args[2])
}
