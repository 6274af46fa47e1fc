package lua

import (
	"context"
	"errors"

	glua "github.com/yuin/gopher-lua"
)

// meter is the context of a thread. The interpreter calls Done before every
// instruction and raises Err as a Lua error if the channel is closed.
type meter struct {
	context.Context // never consulted: the interpreter asks for nothing but Done and Err

	env    *env
	thread *glua.LState
	nested int // calls of pcall and xpcall that are under way in this thread
	err    error
}

var closed = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Done charges for the instruction that comes next and returns a closed channel
// if it must not be executed.
func (m *meter) Done() <-chan struct{} {
	b := m.env.budget
	if !b.Take(1) {
		m.err = b.Err()
		return closed
	}
	if m.env.stop != nil && m.env.stop.Load() {
		m.err, m.env.killed = errKilled, true
		return closed
	}
	f := frameOf(m.thread)
	inst := f.Fn.Proto.Code[f.Pc-1]
	look := looks[inst>>26]
	if look == nil {
		return nil
	}
	if problem := look(m, operands{f, registryOf(m.thread), inst}); problem != "" {
		m.err = errors.New(problem)
		return closed
	}
	if err := b.Err(); err != nil {
		m.err = err
		return closed
	}
	return nil
}

// Err says why Done returned a closed channel.
func (m *meter) Err() error { return m.err }

var errKilled = errors.New("Script killed by user with SCRIPT KILL...")

// operands are an instruction and where to find its operands.
type operands struct {
	f    *frame
	r    *registry
	inst uint32
}

func (o operands) a() int { return int(o.inst>>18) & 0xff }
func (o operands) b() int { return int(o.inst & 0x1ff) }
func (o operands) c() int { return int(o.inst>>9) & 0x1ff }

// reg returns a register's value.
func (o operands) reg(n int) glua.LValue {
	if v := o.r.array[o.f.LocalBase+n]; v != nil {
		return v
	}
	return glua.LNil
}

// rk returns the value of a register or a constant.
func (o operands) rk(n int) glua.LValue {
	if n >= 256 {
		return o.f.Fn.Proto.Constants[n-256]
	}
	return o.reg(n)
}

// values returns how many values there are from register a on, if b says that
// it is known at run time only, and otherwise b-1.
func (o operands) values() int {
	if b := o.b(); b > 0 {
		return b - 1
	}
	return max(o.r.top-o.f.LocalBase-o.a(), 0)
}

// looks are the instructions that cost more than a step or may be refused.
// A look returns the text of a Lua error.
var looks = [64]func(m *meter, o operands) string{
	glua.OP_GETTABLE:   lookIndex,
	glua.OP_GETTABLEKS: lookIndex,
	glua.OP_SELF:       lookIndex,
	glua.OP_SETGLOBAL:  lookSetGlobal,
	glua.OP_SETTABLE:   lookAssign,
	glua.OP_SETTABLEKS: lookAssign,
	glua.OP_NEWTABLE:   lookNewTable,
	glua.OP_SETLIST:    lookSetList,
	glua.OP_CLOSURE:    lookClosure,
	glua.OP_ADD:        lookArith,
	glua.OP_SUB:        lookArith,
	glua.OP_MUL:        lookArith,
	glua.OP_DIV:        lookArith,
	glua.OP_MOD:        lookArith,
	glua.OP_POW:        lookArith,
	glua.OP_UNM:        lookMinus,
	glua.OP_LEN:        lookLen,
	glua.OP_CONCAT:     lookConcat,
	glua.OP_EQ:         lookEqual,
	glua.OP_LT:         lookCompare,
	glua.OP_LE:         lookCompare,
	glua.OP_CALL:       lookCall,
	glua.OP_TAILCALL:   lookCall,
	glua.OP_RETURN:     lookValues,
	glua.OP_VARARG:     lookVararg,
	glua.OP_FORPREP:    lookFor,
}

// Bytes that an instruction allocates, roughly.
const (
	tableBytes   = 160
	slotBytes    = 16
	pairBytes    = 64
	closureBytes = 128
	stringBytes  = 32
)

// Steps beyond the first of an instruction that allocates, and of a call of one
// of the server's functions.
const (
	allocSteps = 5
	callGSteps = 3
)

// longText is the length from which strings cost more than the instruction.
const longText = 256

// text charges for looking at all of a string: strings are not interned.
func (m *meter) text(v glua.LValue) {
	if s, ok := v.(glua.LString); ok && len(s) >= longText {
		m.env.budget.Take(int64(len(s) / longText))
	}
}

func lookIndex(m *meter, o operands) string {
	key := o.rk(o.c())
	m.text(key)
	switch v := o.reg(o.b()).(type) {
	case *glua.LTable, glua.LString:
		return ""
	default:
		return "attempt to index " + o.describe(o.b(), v)
	}
}

func lookSetGlobal(m *meter, o operands) string {
	if m.env.guarded(o.f.Fn.Env) {
		return errReadOnly
	}
	m.env.budget.TakeBytes(pairBytes)
	return ""
}

func lookAssign(m *meter, o operands) string {
	v := o.reg(o.a())
	t, ok := v.(*glua.LTable)
	if !ok {
		return "attempt to index " + o.describe(o.a(), v)
	}
	if m.env.guarded(t) {
		return errReadOnly
	}
	key := o.rk(o.b())
	m.text(key)
	return m.env.grow(t, key)
}

// grow charges for an assignment to a table: a number far beyond the array part
// makes the interpreter fill the places before it.
func (e *env) grow(t *glua.LTable, key glua.LValue) string {
	n, ok := key.(glua.LNumber)
	if !ok {
		if key == glua.LNil {
			return "table index is nil"
		}
		e.budget.Take(2)
		e.budget.TakeBytes(pairBytes)
		return ""
	}
	if n != n {
		return "table index is NaN"
	}
	size := len(inside(t).array)
	if n < 1 || n >= glua.LNumber(glua.MaxArrayIndex) || n != glua.LNumber(int(n)) {
		e.budget.TakeBytes(pairBytes)
		return ""
	}
	if gap := int64(n) - int64(size); gap > 0 {
		e.budget.Take(2 + gap/8)
		e.budget.TakeBytes(gap * 2 * slotBytes)
	}
	return ""
}

func lookNewTable(m *meter, o operands) string {
	m.env.budget.Take(2 * allocSteps)
	m.env.budget.TakeBytes(int64(tableBytes + slotBytes*o.b() + pairBytes*o.c()))
	return ""
}

func lookSetList(m *meter, o operands) string {
	n := int64(o.values())
	m.env.budget.Take(n / 8)
	m.env.budget.TakeBytes(n * slotBytes)
	return ""
}

func lookClosure(m *meter, o operands) string {
	m.env.budget.Take(allocSteps)
	m.env.budget.TakeBytes(closureBytes)
	return ""
}

func lookArith(m *meter, o operands) string {
	x, y := o.rk(o.b()), o.rk(o.c())
	_, ok1 := x.(glua.LNumber)
	_, ok2 := y.(glua.LNumber)
	if ok1 && ok2 {
		return ""
	}
	m.text(x)
	m.text(y)
	for i, v := range [2]glua.LValue{x, y} {
		if !numeric(v) && !m.hasMeta(arithEvents[int(o.inst>>26)], x, y) {
			n := o.b()
			if i == 1 {
				n = o.c()
			}
			return "attempt to perform arithmetic on " + o.describe(n, v)
		}
	}
	return ""
}

var arithEvents = map[int]string{
	glua.OP_ADD: "__add", glua.OP_SUB: "__sub", glua.OP_MUL: "__mul",
	glua.OP_DIV: "__div", glua.OP_MOD: "__mod", glua.OP_POW: "__pow",
}

func lookMinus(m *meter, o operands) string {
	v := o.reg(o.b())
	if !numeric(v) && !m.hasMeta("__unm", v, v) {
		return "attempt to perform arithmetic on " + o.describe(o.b(), v)
	}
	return ""
}

// numeric reports whether a value counts as a number in arithmetic.
func numeric(v glua.LValue) bool {
	switch v := v.(type) {
	case glua.LNumber:
		return true
	case glua.LString:
		_, ok := parseNumber(string(v))
		return ok
	}
	return false
}

func (m *meter) hasMeta(event string, x, y glua.LValue) bool {
	return m.thread.GetMetaField(x, event) != glua.LNil || m.thread.GetMetaField(y, event) != glua.LNil
}

func lookLen(m *meter, o operands) string {
	switch v := o.reg(o.b()).(type) {
	case glua.LString:
	case *glua.LTable:
		m.env.budget.Take(int64(trailing(v) / 2))
	default:
		return "attempt to get length of " + o.describe(o.b(), v)
	}
	return ""
}

// trailing returns how many places at the end of the array part are empty: the
// interpreter walks over them to find the length.
func trailing(t *glua.LTable) int {
	array := inside(t).array
	n := 0
	for n < len(array) && array[len(array)-1-n] == glua.LNil {
		n++
	}
	return n
}

// lookConcat charges for the result, and writes numbers as Lua 5.1 does.
func lookConcat(m *meter, o operands) string {
	var total int64
	for n := o.b(); n <= o.c(); n++ {
		switch v := o.reg(n).(type) {
		case glua.LString:
			total += int64(len(v))
		case glua.LNumber:
			s := formatNumber(float64(v))
			total += int64(len(s))
			o.r.array[o.f.LocalBase+n] = glua.LString(s)
		default:
			if m.thread.GetMetaField(v, "__concat") == glua.LNil && !o.metaNear(m, n) {
				return "attempt to concatenate " + o.describe(n, v)
			}
		}
	}
	m.env.budget.Take(allocSteps + total/longText)
	m.env.budget.TakeBytes(total + stringBytes)
	return ""
}

// metaNear reports whether a neighbour in a concatenation can handle it.
func (o operands) metaNear(m *meter, n int) bool {
	return n > o.b() && m.thread.GetMetaField(o.reg(n-1), "__concat") != glua.LNil ||
		n < o.c() && m.thread.GetMetaField(o.reg(n+1), "__concat") != glua.LNil
}

func lookEqual(m *meter, o operands) string {
	x, ok1 := o.rk(o.b()).(glua.LString)
	y, ok2 := o.rk(o.c()).(glua.LString)
	if ok1 && ok2 && len(x) == len(y) {
		m.text(x)
	}
	return ""
}

func lookCompare(m *meter, o operands) string {
	x, y := o.rk(o.b()), o.rk(o.c())
	switch x.(type) {
	case glua.LNumber:
		if _, ok := y.(glua.LNumber); ok {
			return ""
		}
	case glua.LString:
		if t, ok := y.(glua.LString); ok {
			m.text(t)
			return ""
		}
	}
	if x.Type() == y.Type() && m.hasMeta("__lt", x, y) || x.Type() == y.Type() && m.hasMeta("__le", x, y) {
		return ""
	}
	if x.Type() == y.Type() {
		return "attempt to compare two " + x.Type().String() + " values"
	}
	return "attempt to compare " + x.Type().String() + " with " + y.Type().String()
}

func lookCall(m *meter, o operands) string {
	if n := o.values(); n > 16 {
		m.env.budget.Take(int64(n / 16))
	}
	switch v := o.reg(o.a()).(type) {
	case *glua.LFunction:
		if v.IsG {
			m.env.budget.Take(callGSteps)
		}
	default:
		if m.thread.GetMetaField(v, "__call") == glua.LNil {
			return "attempt to call " + o.describe(o.a(), v)
		}
	}
	return ""
}

func lookValues(m *meter, o operands) string {
	if n := o.values(); n > 16 {
		m.env.budget.Take(int64(n / 16))
	}
	return ""
}

func lookVararg(m *meter, o operands) string {
	m.env.budget.Take(int64(o.f.NArgs / 16))
	return ""
}

func lookFor(m *meter, o operands) string {
	for i, what := range [3]string{"initial value", "limit", "step"} {
		if !numeric(o.reg(o.a() + i)) {
			return "'for' " + what + " must be a number"
		}
	}
	return ""
}
