package rdb

import (
	"encoding/binary"

	"github.com/quorate/quorate/fsm/keyspace"
)

// A stream is written as it lies in memory: its nodes are Redis's own. In front
// of each stands its ID as a string of 16 bytes, big-endian; entries that
// consumers have not acknowledged are written once for their group, with time
// and number of deliveries, and as bare IDs for the consumer who has them.

func (e *Encoder) streamValue(s *keyspace.Stream) byte {
	e.length(uint64(s.Nodes()))
	s.EachNode(e.streamNode)
	e.streamEnd(s)
	return typeStream2
}

func (e *Encoder) streamNode(id keyspace.StreamID, lp []byte) {
	e.length(streamIDSize)
	e.rawID(id)
	e.blob(lp)
}

// streamEnd writes what stands behind the nodes.
func (e *Encoder) streamEnd(s *keyspace.Stream) {
	e.length(uint64(s.Len()))
	for _, id := range []keyspace.StreamID{s.LastID(), s.FirstID(), s.MaxDeletedID()} {
		e.length(id.MS)
		e.length(id.Seq)
	}
	e.length(uint64(s.Added()))
	e.length(uint64(len(s.Groups())))
	for _, g := range s.Groups() {
		e.streamGroup(g)
	}
}

func (e *Encoder) streamGroup(g *keyspace.StreamGroup) {
	e.text([]byte(g.Name()))
	e.length(g.LastID.MS)
	e.length(g.LastID.Seq)
	e.length(uint64(g.Read))
	e.length(uint64(g.Pending()))
	g.Each(keyspace.StreamID{}, keyspace.MaxStreamID, nil, func(id keyspace.StreamID, p *keyspace.StreamPending) bool {
		e.rawID(id)
		e.buf = binary.LittleEndian.AppendUint64(e.buf, uint64(p.Time))
		e.length(uint64(p.Count))
		return true
	})
	e.length(uint64(len(g.Consumers())))
	for _, c := range g.Consumers() {
		e.text([]byte(c.Name()))
		e.buf = binary.LittleEndian.AppendUint64(e.buf, uint64(c.Seen))
		e.length(uint64(c.Pending()))
		g.Each(keyspace.StreamID{}, keyspace.MaxStreamID, c, func(id keyspace.StreamID, _ *keyspace.StreamPending) bool {
			e.rawID(id)
			return true
		})
	}
}

const streamIDSize = 16

func (e *Encoder) rawID(id keyspace.StreamID) {
	e.buf = binary.BigEndian.AppendUint64(e.buf, id.MS)
	e.buf = binary.BigEndian.AppendUint64(e.buf, id.Seq)
}

// stream reads a stream of one of the three forms.
func (d *Decoder) stream(valueType byte) (keyspace.Value, error) {
	s := &keyspace.Stream{}
	err := d.times(func() error { return d.streamNode(s) })
	if err != nil {
		return keyspace.Value{}, err
	}
	// Redis 5 and 6 don't know what stands between the last ID and the groups.
	known := valueType != typeStream1
	state := keyspace.StreamState{}
	numbers := []*uint64{&state.Length, &state.Last.MS, &state.Last.Seq}
	if known {
		numbers = append(numbers, &state.First.MS, &state.First.Seq, &state.MaxDeleted.MS, &state.MaxDeleted.Seq, &state.Added)
	}
	if err := d.counts(numbers...); err != nil {
		return keyspace.Value{}, err
	}
	if err := s.SetState(state, known); err != nil {
		return keyspace.Value{}, sound(err)
	}
	err = d.times(func() error { return d.streamGroup(s, valueType) })
	return keyspace.NewStreamValue(s), err
}

// times is each for what there may be none of.
func (d *Decoder) times(element func() error) error {
	n, err := d.src.count()
	for ; n > 0 && err == nil; n-- {
		err = element()
	}
	return err
}

// counts reads lengths.
func (d *Decoder) counts(to ...*uint64) (err error) {
	for _, n := range to {
		if *n, err = d.src.count(); err != nil {
			return err
		}
	}
	return nil
}

func (d *Decoder) streamNode(s *keyspace.Stream) error {
	key, err := d.bytes(&d.room)
	if err != nil {
		return err
	}
	if len(key) != streamIDSize {
		return malformed("the ID of a stream's node has %d bytes", len(key))
	}
	id := parseRawID(key)
	lp, err := d.blob()
	if err != nil {
		return err
	}
	return sound(s.AddNode(id, lp))
}

func parseRawID(b []byte) keyspace.StreamID {
	return keyspace.StreamID{MS: binary.BigEndian.Uint64(b), Seq: binary.BigEndian.Uint64(b[8:])}
}

func (d *Decoder) rawID() (keyspace.StreamID, error) {
	var room [streamIDSize]byte
	_, err := d.src.append(room[:0], streamIDSize)
	return parseRawID(room[:]), err
}

func (d *Decoder) streamGroup(s *keyspace.Stream, valueType byte) error {
	name, err := d.bytes(&d.room)
	if err != nil {
		return err
	}
	g, err := s.AddGroup(name)
	if err != nil {
		return sound(err)
	}
	if err := d.counts(&g.LastID.MS, &g.LastID.Seq); err != nil {
		return err
	}
	if valueType == typeStream1 {
		g.Read = s.Distance(g.LastID)
	} else {
		read, err := d.src.count()
		if err != nil {
			return err
		}
		g.Read = int64(read)
	}
	if err := d.times(func() error { return d.streamPending(g) }); err != nil {
		return err
	}
	if err := d.times(func() error { return d.streamConsumer(g, valueType) }); err != nil {
		return err
	}
	return sound(g.Check())
}

func (d *Decoder) streamPending(g *keyspace.StreamGroup) error {
	id, err := d.rawID()
	if err != nil {
		return err
	}
	time, err := d.src.uint64()
	if err != nil {
		return err
	}
	count, err := d.src.count()
	if err != nil {
		return err
	}
	return sound(g.AddPending(id, int64(time), int64(count)))
}

func (d *Decoder) streamConsumer(g *keyspace.StreamGroup, valueType byte) error {
	name, err := d.bytes(&d.room)
	if err != nil {
		return err
	}
	c, err := g.AddConsumer(name)
	if err != nil {
		return sound(err)
	}
	seen, err := d.src.uint64()
	if err != nil {
		return err
	}
	c.Seen = int64(seen)
	if valueType == typeStream3 { // when it was last given anything: Redis 7.2 keeps that
		if _, err := d.src.uint64(); err != nil {
			return err
		}
	}
	return d.times(func() error {
		id, err := d.rawID()
		if err != nil {
			return err
		}
		return sound(g.Own(id, c))
	})
}
