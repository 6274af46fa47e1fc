package rdb

import (
	"encoding/binary"
	"math"
	"strconv"

	"github.com/quorate/quorate/fsm/keyspace"
)

// The small forms of collections are written as they lie in memory; they are
// Redis's own. The large forms are written element by element.

func (e *Encoder) listValue(l *keyspace.List) byte {
	e.length(uint64(l.Nodes()))
	for i := range l.Nodes() {
		e.listNode(l.Node(i))
	}
	return typeListQuick2
}

func (e *Encoder) listNode(data []byte, plain bool) {
	if plain {
		e.length(nodePlain)
	} else {
		e.length(nodePacked)
	}
	if plain && e.LikeRedis {
		e.text(data)
	} else {
		e.blob(data)
	}
}

func (e *Encoder) setValue(s *keyspace.Set) byte {
	if ints, ok := s.Intset(); ok {
		e.blob(ints)
		return typeSetIntset
	}
	e.length(uint64(s.Len()))
	s.Each(func(member []byte) bool {
		e.text(member)
		return true
	})
	return typeSet
}

func (e *Encoder) zsetValue(z *keyspace.ZSet) byte {
	if lp, ok := z.Packed(); ok {
		e.blob(lp)
		return typeZSetListpack
	}
	e.length(uint64(z.Len()))
	if e.LikeRedis {
		z.Range(0, z.Len(), true, func(member []byte, score float64) bool {
			e.scored(member, score)
			return true
		})
	} else {
		z.EachStored(e.scored)
	}
	return typeZSet2
}

func (e *Encoder) scored(member []byte, score float64) {
	e.text(member)
	e.buf = binary.LittleEndian.AppendUint64(e.buf, math.Float64bits(score))
}

func (e *Encoder) hashValue(h *keyspace.Hash) byte {
	if lp, ok := h.Packed(); ok {
		e.blob(lp)
		return typeHashListpack
	}
	e.length(uint64(h.Len()))
	h.Each(func(field, value []byte) bool {
		e.text(field)
		e.text(value)
		return true
	})
	return typeHash
}

// each reads a count and calls element as often. The count is not trusted:
// nothing is reserved for it, the input ends where it ends.
func (d *Decoder) each(element func() error) error {
	n, err := d.src.count()
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrEmptyKey
	}
	for ; n > 0; n-- {
		if err := element(); err != nil {
			return err
		}
	}
	return nil
}

func (d *Decoder) listElements() (keyspace.Value, error) {
	l, limits := &keyspace.List{}, d.limits()
	err := d.each(func() error {
		b, err := d.bytes(&d.room)
		if err == nil {
			l.PushRight(b, limits)
		}
		return err
	})
	return keyspace.NewListValue(l), err
}

// listNodes reads a quicklist of the newer kind.
func (d *Decoder) listNodes() (keyspace.Value, error) {
	l := &keyspace.List{}
	err := d.each(func() error {
		container, err := d.src.count()
		if err != nil {
			return err
		}
		if container != nodePlain && container != nodePacked {
			return malformed("list node of unknown kind %d", container)
		}
		b, err := d.blob()
		if err != nil {
			return err
		}
		return sound(l.AppendNode(b, container == nodePlain))
	})
	return listOrEmpty(l, err)
}

func listOrEmpty(l *keyspace.List, err error) (keyspace.Value, error) {
	if err == nil && l.Len() == 0 {
		err = ErrEmptyKey
	}
	return keyspace.NewListValue(l), err
}

func (d *Decoder) setElements() (keyspace.Value, error) {
	s, limits := &keyspace.Set{}, d.limits()
	add := func(member []byte) bool { return s.Add(member, limits) }
	if d.Limits == nil {
		s = keyspace.NewSetTable(0)
		add = s.AddToTable
	}
	err := d.each(func() error {
		b, err := d.bytes(&d.room)
		if err == nil && !add(b) {
			err = malformed("member %.80q twice", b)
		}
		return err
	})
	return keyspace.NewSetValue(s), err
}

func (d *Decoder) setIntset() (keyspace.Value, error) {
	b, err := d.blob()
	if err != nil {
		return keyspace.Value{}, err
	}
	s, err := keyspace.NewSetFromIntset(b)
	if err != nil {
		return keyspace.Value{}, sound(err)
	}
	if s.Len() == 0 {
		return keyspace.Value{}, ErrEmptyKey
	}
	if d.Limits != nil {
		s.Fit(d.Limits)
	}
	return keyspace.NewSetValue(s), nil
}

// zsetElements reads members and scores; score reads one of these.
func (d *Decoder) zsetElements(score func() (float64, error)) (keyspace.Value, error) {
	z, limits := keyspace.NewBigZSet(0), d.limits()
	err := d.each(func() error {
		b, err := d.bytes(&d.room)
		if err != nil {
			return err
		}
		f, err := score()
		if err != nil {
			return err
		}
		if math.IsNaN(f) {
			return malformed("score of %.80q is not a number", b)
		}
		if !z.Add(b, f, limits) {
			return malformed("member %.80q twice", b)
		}
		return nil
	})
	if err == nil && d.Limits != nil {
		z.ConvertToListpackIfNeeded(d.Limits)
	}
	return keyspace.NewZSetValue(z), err
}

func (d *Decoder) scoreBinary() (float64, error) {
	n, err := d.src.uint64()
	return math.Float64frombits(n), err
}

// scoreText reads a score as RDB had them before version 8: a length and
// decimal text, or one of three lengths that stand for themselves.
func (d *Decoder) scoreText() (float64, error) {
	n, err := d.src.byte()
	switch {
	case err != nil:
		return 0, err
	case n == 253:
		return math.NaN(), nil
	case n == 254:
		return math.Inf(1), nil
	case n == 255:
		return math.Inf(-1), nil
	}
	var room [252]byte
	b, err := d.src.append(room[:0], int(n))
	if err != nil {
		return 0, err
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return 0, malformed("score %.80q", b)
	}
	return f, nil
}

func (d *Decoder) zsetPacked(lp []byte, err error) (keyspace.Value, error) {
	if err != nil {
		return keyspace.Value{}, err
	}
	limits := keyspace.Limits{ZsetMaxListpackEntries: math.MaxInt}
	if d.Limits != nil {
		limits = *d.Limits
	}
	z, err := keyspace.ZSetFromListpack(lp, &limits)
	if err != nil {
		return keyspace.Value{}, sound(err)
	}
	if z.Len() == 0 {
		return keyspace.Value{}, ErrEmptyKey
	}
	return keyspace.NewZSetValue(z), nil
}

func (d *Decoder) hashElements() (keyspace.Value, error) {
	h, limits := &keyspace.Hash{}, d.limits()
	set := func(field, value []byte) bool { return h.Set(field, value, limits) }
	if d.Limits == nil {
		h = keyspace.NewHashTable(0)
		set = h.SetInTable
	}
	var fieldRoom []byte
	err := d.each(func() error {
		field, err := d.bytes(&fieldRoom)
		if err != nil {
			return err
		}
		value, err := d.bytes(&d.room)
		if err == nil && !set(field, value) {
			err = malformed("field %.80q twice", field)
		}
		return err
	})
	return keyspace.NewHashValue(h), err
}

func (d *Decoder) hashPacked(lp []byte, err error) (keyspace.Value, error) {
	if err != nil {
		return keyspace.Value{}, err
	}
	h, err := keyspace.NewHashFromPacked(lp)
	if err != nil {
		return keyspace.Value{}, sound(err)
	}
	if h.Len() == 0 {
		return keyspace.Value{}, ErrEmptyKey
	}
	if d.Limits != nil {
		h.Fit(d.Limits)
	}
	return keyspace.NewHashValue(h), nil
}

// limits returns the limits for values that are built element by element.
func (d *Decoder) limits() *keyspace.Limits {
	if d.Limits != nil {
		return d.Limits
	}
	limits := keyspace.DefaultLimits()
	return &limits
}

// sound marks what a checker of a structure has found as malformed input.
func sound(err error) error {
	if err == nil {
		return nil
	}
	return malformed("%w", err)
}
