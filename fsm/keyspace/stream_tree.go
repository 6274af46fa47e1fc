package keyspace

import "encoding/binary"

// treeKey is a stream ID as it stands in Redis's radix tree.
type treeKey [16]byte

// TreeNodes returns the number of nodes that the radix tree has in which Redis
// keeps a stream's nodes; XINFO STREAM tells it as "radix-tree-nodes". Nothing
// here has such a tree, but its shape follows from the keys.
func (s *Stream) TreeNodes() int {
	keys := make([]treeKey, 0, s.nodes.len())
	s.EachNode(func(id StreamID, _ []byte) {
		var key treeKey
		binary.BigEndian.PutUint64(key[:], id.MS)
		binary.BigEndian.PutUint64(key[8:], id.Seq)
		keys = append(keys, key)
	})
	if len(keys) == 0 {
		return 1
	}
	return treeNodes(keys, 0)
}

// treeNodes counts the nodes below a place that keys, which are sorted, have
// reached with their first depth bytes: one for the bytes they go on sharing, one
// for the place where they part, and one for the end of each.
func treeNodes(keys []treeKey, depth int) int {
	first, last := &keys[0], &keys[len(keys)-1]
	common := depth
	for common < len(first) && first[common] == last[common] {
		common++
	}
	nodes := 1
	if common > depth {
		nodes++
	}
	if common == len(first) {
		return nodes
	}
	for from := 0; from < len(keys); {
		to := from + 1
		for to < len(keys) && keys[to][common] == keys[from][common] {
			to++
		}
		nodes += treeNodes(keys[from:to], common+1)
		from = to
	}
	return nodes
}
