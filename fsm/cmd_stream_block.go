package fsm

import (
	"bytes"

	"github.com/quorate/quorate/fsm/keyspace"
)

// xreadBlocks reports whether an XREAD may wait: with BLOCK only.
func xreadBlocks(args [][]byte) bool {
	r, errText := parseStreamRead(args, false)
	return errText == "" && r.block != noBlock
}

func xreadgroupBlocks(args [][]byte) bool {
	r, errText := parseStreamRead(args, true)
	return errText == "" && r.block != noBlock
}

// awaitStreams lets XREAD or XREADGROUP, which has found nothing, wait for new
// entries if it says BLOCK. "$" stands for the last ID as it is now.
func (c *ReadCall) awaitStreams(r *streamRead) bool {
	if r.block == noBlock || c.waiter == nil {
		return false
	}
	w := Wait{Kind: keyspace.KindStream, Keys: r.keys, Timeout: r.block, Only: onlyStream(r.grouped)}
	w.Args = append(w.Args, c.Args[:len(c.Args)-len(r.ids)]...)
	if r.grouped {
		w.Args = append(w.Args, r.ids...) // all are ">": what is history is there
		w.Gone = errReadKeyGone
		group := append([]byte(nil), r.group...)
		w.Has = func(_ string, e *keyspace.Entry) bool {
			g := e.Stream().Group(group)
			return g == nil || g.LastID.Less(e.Stream().LastID()) // nil: an error
		}
		return c.wait(w)
	}
	after := map[string]keyspace.StreamID{}
	for i, id := range r.after {
		w.Args = append(w.Args, id.Append(nil))
		if _, twice := after[string(r.keys[i])]; !twice {
			after[string(r.keys[i])] = id
		}
	}
	w.Has = func(key string, e *keyspace.Entry) bool {
		id := after[key]
		return id.Less(e.Stream().LastID())
	}
	return c.wait(w)
}

// onlyStream returns what leaves one stream of XREAD's or XREADGROUP's arguments.
func onlyStream(grouped bool) func(args [][]byte, key []byte) [][]byte {
	return func(args [][]byte, key []byte) [][]byte {
		n := len(args)
		r2, _ := parseStreamRead(args, grouped) // parsed before
		for i, k := range r2.keys {
			if bytes.Equal(k, key) {
				return append(append([][]byte(nil), args[:n-2*len(r2.keys)]...), key, r2.ids[i])
			}
		}
		return args
	}
}
