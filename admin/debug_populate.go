package admin

import (
	"strconv"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/resp"
	"github.com/quorate/quorate/slots/hashslot"
	"github.com/quorate/quorate/transport"
)

// Bounds of one unit of DEBUG POPULATE.
const (
	populateKeys  = 1000
	populateBytes = 1 << 20
	populateValue = 64 << 20 // largest value: it must fit into an entry
)

// debugPopulate implements DEBUG POPULATE count [prefix] [size]: keys
// "prefix:0" and so on with the values "value:0", cut or filled up with zero
// bytes to a size. Keys that exist stay. The writes go through the log.
func (a *Admin) debugPopulate(s *transport.Session, args [][]byte) {
	count, ok := keyspace.ParseInt(args[0])
	if !ok || count < 0 {
		s.Error("ERR value is out of range, must be positive")
		return
	}
	prefix, size := "key", int64(0)
	if len(args) > 1 {
		prefix = string(args[1])
	}
	if len(args) > 2 {
		if size, ok = keyspace.ParseInt(args[2]); !ok || size < 0 || size > populateValue {
			s.Error("ERR value is out of range, must be positive")
			return
		}
	}
	units := map[transport.Group]*populateUnit{}
	set := s.Server().Table().Find([]byte("SET")).Item.Data
	for i := range count {
		n := strconv.FormatInt(i, 10)
		key, value := []byte(prefix+":"+n), []byte("value:"+n)
		if size > 0 {
			value = append(make([]byte, 0, size), value[:min(int64(len(value)), size)]...)[:size]
		}
		slot, at := -1, 0
		if a.Node.Cluster() {
			slot = int(hashslot.Of(key))
			at = slot
		}
		g, problem := s.Router().Route(at)
		if g == nil {
			s.Error(problem)
			return
		}
		u := units[g]
		if u == nil {
			u = &populateUnit{}
			units[g] = u
		}
		u.ops = append(u.ops, fsm.Op{Cmd: set, Args: [][]byte{[]byte("SET"), key, value, []byte("NX")}, DB: s.DB(), Slot: slot})
		if u.bytes += len(key) + len(value); len(u.ops) >= populateKeys || u.bytes >= populateBytes {
			if !u.send(s, g) {
				return
			}
		}
	}
	for g, u := range units {
		if !u.send(s, g) {
			return
		}
	}
	s.OK()
}

// populateUnit are the writes that wait for one group.
type populateUnit struct {
	ops   []fsm.Op
	bytes int
}

func (u *populateUnit) send(s *transport.Session, g transport.Group) bool {
	if len(u.ops) == 0 {
		return true
	}
	w := &resp.Writer{Proto: 2}
	err := g.Do(&fsm.Unit{Ops: u.ops, Reply: w})
	u.ops, u.bytes = nil, 0
	if err == nil && w.Errors == 0 {
		return true
	}
	if err == nil {
		s.Error("ERR some keys could not be written")
	} else {
		s.Error("ERR " + err.Error())
	}
	return false
}
