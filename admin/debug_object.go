package admin

import (
	"fmt"

	"github.com/quorate/quorate/config"
	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/transport"
)

// debugObject answers how the value of a key is held, in the form of Redis. The
// fields about the LRU clock are missing: there is none.
func (a *Admin) debugObject(s *transport.Session, key []byte) {
	var text string
	if g := a.Node.GroupOf(key); g != nil {
		g.View(func(m *fsm.Machine) {
			if o, ok := m.Inspect(s.DB(), key); ok {
				text = objectText(o)
			}
		})
	}
	if text == "" {
		s.Error("ERR no such key")
		return
	}
	s.Simple(text)
}

func objectText(o fsm.Inspection) string {
	text := fmt.Sprintf("Value at:%s refcount:%d encoding:%s serializedlength:%d", o.Address, o.Refcount, o.Encoding, o.SerializedLength)
	if o.Nodes > 0 {
		text += fmt.Sprintf(" ql_nodes:%d ql_avg_node:%.2f ql_listpack_max:%d ql_compressed:0 ql_uncompressed_size:%d",
			o.Nodes, float64(o.Elements)/float64(o.Nodes), o.NodeLimit, o.NodeBytes)
	}
	return text
}

// debugPackedThreshold sets from which size on elements of lists have nodes of
// their own, through the log: the replicas' lists must stay the same.
func (a *Admin) debugPackedThreshold(s *transport.Session, arg string) {
	const most = 1<<32 - 1<<20 // Redis's, for a length of 32 bits and its overhead
	n, err := config.ParseMemory(arg)
	if err != nil || n < 0 || n > most {
		s.Error("ERR argument must be a memory value bigger than 1 and smaller than 4gb")
		return
	}
	for _, g := range a.Node.Groups() {
		if err := g.Propose(&fsm.Unit{Ops: []fsm.Op{fsm.Limit(fsm.PackedThreshold, int(n))}}); err != nil {
			s.Error("ERR " + err.Error())
			return
		}
	}
	s.OK()
}
