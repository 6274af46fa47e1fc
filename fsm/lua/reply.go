package lua

import (
	"bytes"
	"strconv"

	glua "github.com/yuin/gopher-lua"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/resp"
)

// fromReply turns the first reply in b into a Lua value and returns the rest.
// The table of "Redis protocol to Lua" conversions in the Redis 7.0 docs holds
// for RESP2; RESP3 has its own types. The reply is the server's own and sound.
func (e *env) fromReply(L *glua.LState, b []byte) (glua.LValue, []byte) {
	line, rest, _ := bytes.Cut(b, []byte("\r\n"))
	if len(line) == 0 {
		return glua.LNil, nil
	}
	body := string(line[1:])
	e.budget.Spend(L, 1)
	switch line[0] {
	case ':':
		n, _ := strconv.ParseInt(body, 10, 64)
		return glua.LNumber(n), rest
	case '+':
		return e.single(L, "ok", glua.LString(body)), rest
	case '-':
		return e.errorTable(L, errorWithCode(string(line))), rest
	case '_':
		return glua.LNil, rest
	case '#':
		return glua.LBool(body == "t"), rest
	case ',':
		f, _ := keyspace.ParseFloat(line[1:])
		return e.single(L, "double", glua.LNumber(f)), rest
	case '(':
		return e.single(L, "big_number", glua.LString(body)), rest
	}
	n, _ := strconv.Atoi(body)
	if n < 0 {
		return glua.LFalse, rest
	}
	e.budget.Grow(L, tableBytes)
	switch line[0] {
	case '$':
		return glua.LString(rest[:n]), rest[n+2:]
	case '=':
		t := L.NewTable()
		t.RawSetString("string", glua.LString(rest[4:n]))
		t.RawSetString("format", glua.LString(rest[:3]))
		return e.single(L, "verbatim_string", t), rest[n+2:]
	case '%':
		t := L.NewTable()
		for range n {
			var k, v glua.LValue
			k, rest = e.fromReply(L, rest)
			v, rest = e.fromReply(L, rest)
			if k != glua.LNil {
				t.RawSet(k, v)
			}
		}
		return e.single(L, "map", t), rest
	case '~':
		t := L.NewTable()
		for range n {
			var k glua.LValue
			k, rest = e.fromReply(L, rest)
			if k != glua.LNil {
				t.RawSet(k, glua.LTrue)
			}
		}
		return e.single(L, "set", t), rest
	case '|': // attributes of the reply that follows
		for range 2 * n {
			_, rest = e.fromReply(L, rest)
		}
		return e.fromReply(L, rest)
	}
	t := L.NewTable()
	for i := range n {
		var v glua.LValue
		v, rest = e.fromReply(L, rest)
		t.RawSetInt(i+1, v)
	}
	return t, rest
}

// single returns a table with one field.
func (e *env) single(L *glua.LState, name string, v glua.LValue) *glua.LTable {
	e.budget.Grow(L, tableBytes)
	t := L.NewTable()
	t.RawSetString(name, v)
	return t
}

// maxReplyDepth is how deep tables of a reply may lie in each other: as deep as
// Redis goes until its Lua stack is full.
const maxReplyDepth = 7997

// toReply writes what a script has returned. False means that the budget has
// run out: what was written so far is no reply.
func (e *env) toReply(w *resp.Writer, v glua.LValue, depth int) bool {
	if !e.budget.Take(1) {
		return false
	}
	if depth > maxReplyDepth {
		w.Error("ERR reached lua stack limit")
		return true
	}
	switch v := v.(type) {
	case glua.LString:
		w.BulkString(string(v))
		return e.budget.TakeBytes(int64(len(v)))
	case glua.LBool:
		switch {
		case e.proto == 3:
			w.Truth(bool(v))
		case bool(v):
			w.Int(1)
		default:
			w.Null()
		}
	case glua.LNumber:
		w.Int(toInteger(float64(v)))
	case *glua.LTable:
		return e.tableReply(w, v, depth)
	default:
		w.Null()
	}
	return true
}

func (e *env) tableReply(w *resp.Writer, t *glua.LTable, depth int) bool {
	if s, ok := t.RawGetString("err").(glua.LString); ok {
		w.Error(cutNUL(string(s)))
		return true
	}
	if s, ok := t.RawGetString("ok").(glua.LString); ok {
		w.Simple(oneLine(cutNUL(string(s))))
		return true
	}
	if n, ok := t.RawGetString("double").(glua.LNumber); ok {
		w.Double(keyspace.AppendFloat(nil, float64(n)))
		return true
	}
	if s, ok := t.RawGetString("big_number").(glua.LString); ok {
		w.BigNumber(oneLine(string(s)))
		return true
	}
	if v, ok := t.RawGetString("verbatim_string").(*glua.LTable); ok {
		format, ok1 := v.RawGetString("format").(glua.LString)
		s, ok2 := v.RawGetString("string").(glua.LString)
		if ok1 && ok2 {
			w.Verbatim((cutNUL(string(format)) + "   ")[:3], string(s))
			return true
		}
	}
	if m, ok := t.RawGetString("map").(*glua.LTable); ok {
		return e.pairsReply(w, m, depth, true)
	}
	if m, ok := t.RawGetString("set").(*glua.LTable); ok {
		return e.pairsReply(w, m, depth, false)
	}
	n := 0
	for _, v := range inside(t).array {
		if v == glua.LNil {
			break
		}
		n++
	}
	w.Array(n)
	for i := range n {
		if !e.toReply(w, t.RawGetInt(i+1), depth+1) {
			return false
		}
	}
	return true
}

// pairsReply writes a map or a set, in the order of next.
func (e *env) pairsReply(w *resp.Writer, t *glua.LTable, depth int, values bool) bool {
	n := 0
	e.eachPair(t, func(_, _ glua.LValue) bool {
		n++
		return true
	})
	if values {
		w.Map(n)
	} else {
		w.Set(n)
	}
	return e.eachPair(t, func(k, v glua.LValue) bool {
		return e.toReply(w, k, depth+1) && (!values || e.toReply(w, v, depth+1))
	})
}

func (e *env) eachPair(t *glua.LTable, visit func(k, v glua.LValue) bool) bool {
	k, v, looked, _ := inside(t).next(glua.LNil)
	for k != glua.LNil {
		if !e.budget.Take(int64(3*looked)) || !visit(k, v) {
			return false
		}
		k, v, looked, _ = inside(t).next(k)
	}
	return true
}

// oneLine replaces line breaks by spaces.
func oneLine(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c == '\r' || c == '\n' {
			b[i] = ' '
		}
	}
	return string(b)
}
