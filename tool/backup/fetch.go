package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/fsm/rdb"
)

// tally sums up what is written to it: the number of bytes and whether they end in
// the checksum of an RDB file.
type tally struct {
	n    int64
	crc  uint64
	tail []byte // the last bytes, up to 8, which crc doesn't cover
}

func (t *tally) Write(b []byte) (int, error) {
	t.n += int64(len(b))
	t.tail = append(t.tail, b...)
	if over := len(t.tail) - 8; over > 0 {
		t.crc = rdb.CRC64(t.crc, t.tail[:over])
		t.tail = append(t.tail[:0], t.tail[over:]...)
	}
	return len(b), nil
}

func (t *tally) sound() bool {
	sum := uint64(0)
	for i := len(t.tail) - 1; i >= 0; i-- {
		sum = sum<<8 | uint64(t.tail[i])
	}
	return len(t.tail) == 8 && sum == t.crc
}

// held keeps what is written until it knows where to.
type held struct {
	first bytes.Buffer
	w     io.Writer
}

func (h *held) Write(b []byte) (int, error) {
	if h.w != nil {
		return h.w.Write(b)
	}
	return h.first.Write(b)
}

func (h *held) begin(w io.Writer) error {
	h.w = w
	_, err := h.first.WriteTo(w)
	return err
}

// lost wraps errors of reading from a server: they are no faults of the data.
type lost struct{ r io.Reader }

var errLost = errors.New("the connection was lost")

func (l lost) Read(b []byte) (int, error) {
	n, err := l.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", errLost, err)
	}
	return n, err
}

// receive takes a file of size bytes and puts it where it belongs.
func (p *fetched) receive(r io.Reader, size int64, got *tally, t *taking) (err error) {
	sum := sha256.New()
	store := &held{}
	in := io.TeeReader(io.LimitReader(lost{r}, size), io.MultiWriter(store, got, sum, counted{t.show}))
	if err := p.readHead(in); err != nil {
		return err
	}
	w, err := p.begin(t)
	if err != nil {
		return err
	}
	err = store.begin(w)
	if err == nil {
		_, err = io.Copy(io.Discard, in)
	}
	if err == nil && got.n != size {
		err = fmt.Errorf("%w: %d of %d bytes came", errLost, got.n, size)
	}
	if err == nil && !got.sound() {
		err = fmt.Errorf("group %d: the file came damaged", p.Group)
	}
	p.SHA256 = sumText(sum)
	if p.spool != nil {
		p.SHA256 = "" // there will be no such file
		return err
	}
	return errors.Join(err, w.(io.Closer).Close())
}

func sumText(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// readHead reads what stands in front of the keys.
func (p *fetched) readHead(in io.Reader) error {
	d := rdb.NewDecoder(in)
	known := false
	for {
		p.head = d.Offset()
		rec, err := d.Next()
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return err
		case err != nil || rec.Kind == rdb.KeyValue:
			if !known {
				return fmt.Errorf("%w: the file doesn't say which group it is of", errBadReply)
			}
			return nil
		case rec.Kind == rdb.FunctionLibrary:
			p.libraries = append(p.libraries, string(rec.Text))
		case rec.Kind == rdb.AuxField && string(rec.Name) == fsm.AuxOrigin:
			if p.Origin, err = fsm.ParseOrigin(rec.Text); err != nil {
				return err
			}
			if p.slots, err = parseSlots(p.Slots); err != nil {
				return err
			}
			known = true
		}
	}
}

// parseSlots reads ranges of slots with blanks between.
func parseSlots(text string) (set fsm.SlotSet, err error) {
	for _, r := range strings.Fields(text) {
		a, b, _ := strings.Cut(r, "-")
		first, err1 := strconv.ParseUint(a, 10, 14)
		last, err2 := strconv.ParseUint(b, 10, 14)
		if err := errors.Join(err1, err2); err != nil {
			return set, fmt.Errorf("slots %.80q: %w", text, err)
		}
		set.Add(uint16(first), uint16(last))
	}
	return set, nil
}

// begin makes room for a group, unless it is there or under way.
func (p *fetched) begin(t *taking) (io.Writer, error) {
	if !t.reserve(p.Group) {
		return nil, errDuplicate
	}
	p.reserved = true
	if t.single {
		f, err := os.CreateTemp(t.dir, ".quorate-backup-*")
		if err != nil {
			return nil, err
		}
		p.spool = f
		return f, os.Remove(f.Name())
	}
	p.File = fmt.Sprintf("group-%d.rdb", p.Group)
	return t.to.Create(p.File)
}

// reserve says that a group is under way, or false if it is already.
func (t *taking) reserve(group uint32) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reserved[group] {
		return false
	}
	if t.reserved == nil {
		t.reserved = map[uint32]bool{}
	}
	t.reserved[group] = true
	return true
}

// giveUp lets a group be fetched again.
func (t *taking) giveUp(p *fetched) {
	p.drop()
	if p.reserved {
		t.mu.Lock()
		delete(t.reserved, p.Group)
		t.mu.Unlock()
	}
}
