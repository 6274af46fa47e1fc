package store

import (
	"errors"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/fsm/rdb"
)

// Loading a file is two things that take about as long: making values of bytes, and
// finding them their places. Two goroutines do them beside each other.

// aheadRecords is how many records are handed over at a time, and aheadBatches how
// often the decoder may have done so before the first was used.
const (
	aheadRecords = 256
	aheadBatches = 4
)

// decoded is a piece of a file's records.
type decoded struct {
	records []rdb.Record
	text    []byte // of names, keys and texts
	err     error  // that followed the records
}

// decodedAhead hands out records that another goroutine decodes. It implements fsm.Records.
type decodedAhead struct {
	full, free chan *decoded
	now        *decoded
	next       int
}

// ahead is fsm.Options.Ahead.
func ahead(d *rdb.Decoder) (fsm.Records, func()) {
	a := &decodedAhead{full: make(chan *decoded, aheadBatches), free: make(chan *decoded, aheadBatches+2)}
	for range cap(a.free) {
		a.free <- &decoded{records: make([]rdb.Record, 0, aheadRecords)}
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	// Owned by who loads. Stops at the end of the file, at an error, or when stop
	// closes, which done does and then waits.
	go func() {
		defer close(stopped)
		a.decode(d, stop)
	}()
	return a, func() {
		close(stop)
		<-stopped
	}
}

func (a *decodedAhead) decode(d *rdb.Decoder, stop <-chan struct{}) {
	for final := false; !final; {
		var b *decoded
		select {
		case b = <-a.free:
		case <-stop:
			return
		}
		b.records, b.text, b.err = b.records[:0], b.text[:0], nil
		for len(b.records) < aheadRecords && b.err == nil {
			var r rdb.Record
			if r, b.err = d.Next(); b.err == nil {
				r.Name, r.Text, r.Key = b.keep(r.Name), b.keep(r.Text), b.keep(r.Key)
				if r.Borrowed {
					r.Value.Keep(b.keep)
				}
				b.records = append(b.records, r)
			}
		}
		final = b.err != nil && !emptyKey(b.err)
		select {
		case a.full <- b:
		case <-stop:
			return
		}
	}
}

// keep copies what the decoder will use again.
func (d *decoded) keep(b []byte) []byte {
	if b == nil {
		return nil
	}
	at := len(d.text)
	d.text = append(d.text, b...)
	return d.text[at:len(d.text):len(d.text)]
}

// Next implements fsm.Records.
func (a *decodedAhead) Next() (rdb.Record, error) {
	for {
		if a.now == nil {
			a.now, a.next = <-a.full, 0
		}
		if a.next < len(a.now.records) {
			a.next++
			return a.now.records[a.next-1], nil
		}
		err := a.now.err
		if err != nil && !emptyKey(err) {
			return rdb.Record{}, err // the last, and so for ever
		}
		clear(a.now.records) // the values are the machine's now
		a.free <- a.now
		a.now = nil
		if err != nil {
			return rdb.Record{}, err
		}
	}
}

// emptyKey reports whether an error is the one behind which a file goes on.
func emptyKey(err error) bool { return errors.Is(err, rdb.ErrEmptyKey) }
