package fsm

import (
	"fmt"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/slots/hashslot"
)

// Inspection is what DEBUG OBJECT tells about a value.
type Inspection struct {
	// Address is where the entry of the key lies in the memory of this process,
	// as text. It is no part of the state: replicas differ.
	Address  string
	Refcount int64
	Encoding string

	// SerializedLength is the size of the value in an RDB file, in bytes,
	// without the byte of its type.
	SerializedLength int

	// Of a list only: nodes, elements, bytes in nodes, and list-max-listpack-size.
	Nodes, Elements, NodeBytes, NodeLimit int
}

// Inspect looks at a key's value and reports whether there is one. An expired
// key that was not deleted yet is there, as it is for DEBUG OBJECT of Redis.
func (m *Machine) Inspect(db int, key []byte) (Inspection, bool) {
	e := m.ks.DB(db).Find(hashslot.Of(key), key)
	if e == nil {
		return Inspection{}, false
	}
	const typeAndFooter = 1 + 2 + 8
	o := Inspection{
		Address:          fmt.Sprintf("%p", e),
		Refcount:         refcount(e),
		Encoding:         e.Encoding(),
		SerializedLength: len(m.dump(nil, &e.Value, false)) - typeAndFooter,
	}
	if e.Kind() == keyspace.KindList {
		l := e.List()
		o.Nodes, o.Elements, o.NodeLimit = l.Nodes(), l.Len(), m.ks.Limits.ListMaxListpackSize
		for i := range o.Nodes {
			data, _ := l.Node(i)
			o.NodeBytes += len(data)
		}
	}
	return o, true
}
