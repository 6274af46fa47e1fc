package fsm

import (
	"math"
	"strconv"

	"github.com/quorate/quorate/fsm/keyspace"
)

// setOptions are the options of SET and GETEX.
type setOptions struct {
	nx, xx, get, keepTTL, persist bool

	expire   []byte // the number after EX, PX, EXAT or PXAT; nil: none of them
	seconds  bool   // its unit; milliseconds otherwise
	relative bool   // it counts from now
	word     string // which of the four it was
}

// parseSetOptions reads the options from args[from:] and reports false on a
// syntax error. GETEX has PERSIST instead of NX, XX, GET and KEEPTTL. As in
// Redis, an option may be repeated and a repeated expiry overrides the first.
func parseSetOptions(args [][]byte, from int, getex bool) (o setOptions, ok bool) {
	for i := from; i < len(args); i++ {
		a := args[i]
		switch {
		case !getex && isWord(a, "NX") && !o.xx:
			o.nx = true
		case !getex && isWord(a, "XX") && !o.nx:
			o.xx = true
		case !getex && isWord(a, "GET"):
			o.get = true
		case !getex && isWord(a, "KEEPTTL") && o.word == "":
			o.keepTTL = true
		case getex && isWord(a, "PERSIST") && o.word == "":
			o.persist = true
		default:
			word := expiryWord(a)
			if word == "" || o.word != "" && o.word != word || o.keepTTL || o.persist || i+1 == len(args) {
				return o, false
			}
			i++
			o.word, o.expire = word, args[i]
			o.seconds = word == "EX" || word == "EXAT"
			o.relative = word == "EX" || word == "PX"
		}
	}
	return o, true
}

// expiryWord returns which of the words for an expiry a is, or "".
func expiryWord(a []byte) string {
	for _, word := range [...]string{"EX", "PX", "EXAT", "PXAT"} {
		if isWord(a, word) {
			return word
		}
	}
	return ""
}

// expiry returns the expiry in Unix milliseconds at the time now, or the text
// of the error that the command of this name replies.
func (o *setOptions) expiry(now int64, name string) (at int64, errText string) {
	n, ok := keyspace.ParseInt(o.expire)
	if !ok {
		return 0, errNotInteger
	}
	if n <= 0 || o.seconds && n > math.MaxInt64/1000 {
		return 0, errExpireTime(name)
	}
	if o.seconds {
		n *= 1000
	}
	if o.relative {
		if n > math.MaxInt64-now {
			return 0, errExpireTime(name)
		}
		n += now
	}
	return n, ""
}

// set implements SET key value [NX | XX] [GET] [EX seconds | PX milliseconds |
// EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL].
//
// Source: Redis 7.0 docs for SET. Reply: OK, or null if NX or XX forbade it;
// with GET the old string or null, whether it was set or not.
func set(c *WriteCall) {
	if len(c.Args) == 3 { // most are like that
		c.putString(c.Args[1], c.Args[2], false)
		c.changed('$', "set", c.Args[1])
		c.OK()
		return
	}
	o, ok := parseSetOptions(c.Args, 3, false)
	if !ok {
		c.Error(errSyntax)
		return
	}
	c.setString(c.Args[1], c.Args[2], &o, "set")
}

// setex implements SETEX key seconds value.
func setex(c *WriteCall) {
	c.setString(c.Args[1], c.Args[3], &setOptions{expire: c.Args[2], seconds: true, relative: true}, "setex")
}

// psetex implements PSETEX key milliseconds value.
func psetex(c *WriteCall) {
	c.setString(c.Args[1], c.Args[3], &setOptions{expire: c.Args[2], relative: true}, "psetex")
}

// setString is what SET, SETEX and PSETEX share.
func (c *WriteCall) setString(key, value []byte, o *setOptions, name string) {
	at := int64(0)
	if o.expire != nil {
		var errText string
		if at, errText = o.expiry(c.now, name); errText != "" {
			c.Error(errText)
			return
		}
	}
	if o.get {
		e, ok := c.take(key, keyspace.KindString)
		if !ok {
			return
		}
		c.replyString(e)
	}
	if (o.nx || o.xx) && (c.modify(key) != nil) != o.xx {
		if !o.get {
			c.Null()
		}
		return
	}
	c.putString(key, value, o.keepTTL || at != 0) // a new expiry takes the old one's place below
	c.changed('$', "set", key)
	if at != 0 {
		c.expireAt(key, at)
		c.notify('g', "expire", key)
	}
	c.propagateSet(key, value, o, at)
	if !o.get {
		c.OK()
	}
}

// propagateSet notes what a SET has done: what its conditions were doesn't matter.
func (c *WriteCall) propagateSet(key, value []byte, o *setOptions, at int64) {
	switch {
	case !c.feeding():
	case at != 0:
		c.propagate([]byte("SET"), key, value, []byte("PXAT"), strconv.AppendInt(nil, at, 10))
	case o.get: // then it is SET itself
		args := make([][]byte, 0, len(c.Args))
		for i, a := range c.Args {
			if i < 3 || !isWord(a, "GET") {
				args = append(args, a)
			}
		}
		c.propagate(args...)
	}
}

// Words of commands as they are logged. Nobody changes arguments.
var wordSet, wordPXAT = []byte("SET"), []byte("PXAT")

// logSet makes the expiry of a SET absolute.
func logSet(args [][]byte, now int64) [][]byte {
	if len(args) == 3 {
		return args
	}
	o, ok := parseSetOptions(args, 3, false)
	if !ok || o.expire == nil || !o.relative {
		return args
	}
	at, errText := o.expiry(now, "set")
	if errText != "" {
		return args
	}
	out := append(make([][]byte, 0, 7), args[:3]...)
	if o.nx {
		out = append(out, []byte("NX"))
	}
	if o.xx {
		out = append(out, []byte("XX"))
	}
	if o.get {
		out = append(out, []byte("GET"))
	}
	return append(out, wordPXAT, strconv.AppendInt(nil, at, 10))
}

// logSetex turns SETEX and PSETEX into SET with an absolute expiry.
func logSetex(args [][]byte, now int64) [][]byte {
	o := setOptions{expire: args[2], seconds: isWord(args[0], "SETEX"), relative: true}
	at, errText := o.expiry(now, "setex")
	if errText != "" {
		return args
	}
	return [][]byte{wordSet, args[1], args[3], wordPXAT, strconv.AppendInt(nil, at, 10)}
}

// getex implements GETEX key [EX seconds | PX milliseconds | EXAT
// unix-time-seconds | PXAT unix-time-milliseconds | PERSIST].
//
// Source: Redis 7.0 docs for GETEX. Reply: the string, or null if the key is
// missing. An absolute expiry that is past deletes the key.
func getex(c *WriteCall) {
	key := c.Args[1]
	o, ok := parseSetOptions(c.Args, 2, true)
	if !ok {
		c.Error(errSyntax)
		return
	}
	e, ok := c.take(key, keyspace.KindString)
	if !ok {
		return
	}
	if e == nil {
		c.Null()
		return
	}
	at := int64(0)
	if o.expire != nil {
		var errText string
		if at, errText = o.expiry(c.now, "getex"); errText != "" {
			c.Error(errText)
			return
		}
	}
	c.replyString(e)
	switch {
	case at != 0:
		c.expireOrDelete(key, at, nil)
	case o.persist && c.persist(key):
		c.changed('g', "persist", key)
		c.propagate([]byte("PERSIST"), key)
	}
}

// logGetex makes the expiry of a GETEX absolute.
func logGetex(args [][]byte, now int64) [][]byte {
	o, ok := parseSetOptions(args, 2, true)
	if !ok || o.expire == nil || !o.relative {
		return args
	}
	at, errText := o.expiry(now, "getex")
	if errText != "" {
		return args
	}
	return [][]byte{args[0], args[1], wordPXAT, strconv.AppendInt(nil, at, 10)}
}
