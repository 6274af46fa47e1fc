package fsm

import (
	"encoding/json"
	"fmt"
)

// AuxOrigin is the auxiliary field of an RDB file of one group that says what
// the file is a snapshot of.
const AuxOrigin = "quorate-origin"

// Origin is the content of that field, as JSON.
type Origin struct {
	Group   uint32 `json:"group"`
	Term    uint64 `json:"term"`  // of the leader that made the file
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

// origin says what a snapshot that begins now is of, but for group and term.
func (m *Machine) origin() Origin {
	o := Origin{Index: m.index, Time: m.now, Slots: allSlots, Keys: int64(m.ks.Len())}
	for i := range m.ks.Databases() {
		o.Expires += int64(m.ks.DB(i).Expires())
	}
	if m.owned != nil {
		o.Slots = formatOwned(m.owned)
	}
	return o
}

const allSlots = "0-16383"
