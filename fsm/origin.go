package fsm

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/quorate/quorate/fsm/rdb"
)

// AuxOrigin is the auxiliary field of an RDB file that says what the file is a
// snapshot of, once for each group.
const AuxOrigin = "quorate-origin"

// AuxNode is the auxiliary field of a node's RDB file in cluster mode: the node's ID.
const AuxNode = "quorate-node"

// Origin is the content of that field, as JSON.
type Origin struct {
	Group   uint32 `json:"group"`
	Term    uint64 `json:"term"`  // of the leader that made the file; 0: a follower did, who may lack the newest entries
	Index   uint64 `json:"index"` // of the last entry in it, which is committed
	Time    int64  `json:"time"`  // of the machine, Unix ms
	Slots   string `json:"slots"` // ranges with blanks between, as "0-5460 9000-9000"
	Keys    int64  `json:"keys"`
	Expires int64  `json:"expires"` // keys with an expiry
}

// Text returns what stands in the file.
func (o *Origin) Text() string {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err) // numbers and ASCII
	}
	return string(b)
}

// ParseOrigin reads what Text wrote.
func ParseOrigin(text []byte) (o Origin, err error) {
	if err = json.Unmarshal(text, &o); err != nil {
		return o, fmt.Errorf("field %s: %w", AuxOrigin, err)
	}
	return o, nil
}

// Origin says what the part of a file is of.
func (p *SnapshotPart) Origin() Origin {
	o := p.origin
	o.Group, o.Term, o.Slots = p.Group, p.Term, allSlots
	if p.slots != nil {
		o.Slots = formatOwned(p.slots)
	}
	for _, size := range p.sizes {
		o.Keys += int64(size.keys)
		o.Expires += int64(size.expires)
	}
	return o
}

const allSlots = "0-16383"

// FileNode returns what an RDB file says in AuxNode, "" if it says nothing.
func FileNode(r io.Reader) string {
	d := rdb.NewDecoder(r)
	for {
		switch rec, err := d.Next(); {
		case err != nil || rec.Kind != rdb.AuxField:
			return ""
		case string(rec.Name) == AuxNode:
			return string(rec.Text)
		}
	}
}
