// Package resp writes replies in RESP2 and RESP3, append style, and reads
// nothing: requests are parsed by redcon behind transport's bounded reader.
package resp

import (
	"strconv"

	"github.com/tidwall/redcon"
)

// Writer collects replies of one connection. Methods named after a RESP3 type
// fall back to what Redis sends in RESP2. Not safe for concurrent use.
type Writer struct {
	Buf   []byte
	Proto int // 2 or 3

	// Discard makes every method a no-op: replicas apply writes without
	// anybody to answer.
	Discard bool

	// Errors counts the calls of Error, so that nobody has to search replies
	// for errors when there are none.
	Errors int
}

// OK appends +OK.
func (w *Writer) OK() { w.Simple("OK") }

// Simple appends a simple string, which must not contain CR or LF.
func (w *Writer) Simple(s string) {
	if w.Discard {
		return
	}
	w.Buf = append(append(append(w.Buf, '+'), s...), '\r', '\n')
}

// Error appends an error reply; msg begins with its code ("ERR ...", "WRONGTYPE
// ..."). Line breaks in it become spaces, as in Redis.
func (w *Writer) Error(msg string) {
	if w.Discard {
		return
	}
	w.Errors++
	w.Buf = append(w.Buf, '-')
	for i := 0; i < len(msg); i++ {
		c := msg[i]
		if c == '\r' || c == '\n' {
			c = ' '
		}
		w.Buf = append(w.Buf, c)
	}
	w.Buf = append(w.Buf, '\r', '\n')
}

// Int appends an integer.
func (w *Writer) Int(n int64) {
	if w.Discard {
		return
	}
	w.Buf = redcon.AppendInt(w.Buf, n)
}

// Bool appends :1 or :0, which is what Redis's integer predicates send in both
// protocols.
func (w *Writer) Bool(b bool) {
	if b {
		w.Int(1)
	} else {
		w.Int(0)
	}
}

// Bulk appends a bulk string.
func (w *Writer) Bulk(b []byte) {
	if w.Discard {
		return
	}
	w.Buf = redcon.AppendBulk(w.Buf, b)
}

// BulkString appends a bulk string.
func (w *Writer) BulkString(s string) {
	if w.Discard {
		return
	}
	w.Buf = redcon.AppendBulkString(w.Buf, s)
}

// BulkInt appends an integer as a bulk string.
func (w *Writer) BulkInt(n int64) {
	var num [20]byte
	w.Bulk(strconv.AppendInt(num[:0], n, 10))
}

// Null appends the null reply: $-1 in RESP2, _ in RESP3.
func (w *Writer) Null() { w.null("$-1\r\n") }

// NullArray appends the null reply where RESP2 has the null array *-1.
func (w *Writer) NullArray() { w.null("*-1\r\n") }

func (w *Writer) null(resp2 string) {
	if w.Discard {
		return
	}
	if w.Proto >= 3 {
		resp2 = "_\r\n"
	}
	w.Buf = append(w.Buf, resp2...)
}

// Array appends the header of an array of n elements.
func (w *Writer) Array(n int) { w.header('*', n) }

// Map appends the header of a map of n pairs: a flat array in RESP2.
func (w *Writer) Map(n int) {
	if w.Proto >= 3 {
		w.header('%', n)
	} else {
		w.header('*', 2*n)
	}
}

// Set appends the header of a set of n elements: an array in RESP2.
func (w *Writer) Set(n int) {
	if w.Proto >= 3 {
		w.header('~', n)
	} else {
		w.header('*', n)
	}
}

// Push appends the header of an out-of-band message: an array in RESP2.
func (w *Writer) Push(n int) {
	if w.Proto >= 3 {
		w.header('>', n)
	} else {
		w.header('*', n)
	}
}

func (w *Writer) header(kind byte, n int) {
	if w.Discard {
		return
	}
	w.Buf = append(w.Buf, kind)
	w.Buf = strconv.AppendInt(w.Buf, int64(n), 10)
	w.Buf = append(w.Buf, '\r', '\n')
}

// Double appends a number whose text the caller has formatted: a double in
// RESP3, a bulk string in RESP2.
func (w *Writer) Double(text []byte) {
	if w.Discard {
		return
	}
	if w.Proto < 3 {
		w.Bulk(text)
		return
	}
	w.Buf = append(append(append(w.Buf, ','), text...), '\r', '\n')
}

// Truth appends a boolean: #t or #f in RESP3, :1 or :0 in RESP2.
func (w *Writer) Truth(b bool) {
	if w.Proto < 3 {
		w.Bool(b)
		return
	}
	if w.Discard {
		return
	}
	if b {
		w.Buf = append(w.Buf, "#t\r\n"...)
	} else {
		w.Buf = append(w.Buf, "#f\r\n"...)
	}
}

// Verbatim appends text with a three-letter format ("txt", "mkd"): a verbatim
// string in RESP3, a bulk string in RESP2.
func (w *Writer) Verbatim(format, text string) {
	if w.Proto < 3 {
		w.BulkString(text)
		return
	}
	if w.Discard {
		return
	}
	w.header('=', len(text)+4)
	w.Buf = append(append(w.Buf, format...), ':')
	w.Buf = append(append(w.Buf, text...), '\r', '\n')
}

// BigNumber appends an integer of any size, given as decimal text: a big number
// in RESP3, a bulk string in RESP2.
func (w *Writer) BigNumber(text string) {
	if w.Proto < 3 {
		w.BulkString(text)
		return
	}
	if !w.Discard {
		w.Buf = append(append(append(w.Buf, '('), text...), '\r', '\n')
	}
}

// Attribute appends the header of n attributes, pairs that come before a reply,
// and reports true in RESP3. RESP2 has none: it then appends nothing and the
// caller leaves the pairs out.
func (w *Writer) Attribute(n int) bool {
	if w.Proto < 3 {
		return false
	}
	w.header('|', n)
	return true
}

// Raw appends bytes that are a reply already.
func (w *Writer) Raw(b []byte) {
	if !w.Discard {
		w.Buf = append(w.Buf, b...)
	}
}

// Mark remembers where a reply begins whose header isn't known yet.
func (w *Writer) Mark() int { return len(w.Buf) }

// InsertArray puts an array header of n elements in front of what was written
// since the mark. It costs a copy of that part.
func (w *Writer) InsertArray(mark, n int) { w.insert(mark, '*', n) }

// InsertMap is InsertArray for a map of n pairs: a flat array in RESP2.
func (w *Writer) InsertMap(mark, n int) {
	if w.Proto >= 3 {
		w.insert(mark, '%', n)
	} else {
		w.insert(mark, '*', 2*n)
	}
}

func (w *Writer) insert(mark int, kind byte, n int) {
	if w.Discard {
		return
	}
	var num [24]byte
	head := append(num[:0], kind)
	head = strconv.AppendInt(head, int64(n), 10)
	head = append(head, '\r', '\n')
	w.Buf = append(w.Buf, head...)
	copy(w.Buf[mark+len(head):], w.Buf[mark:len(w.Buf)-len(head)])
	copy(w.Buf[mark:], head)
}
