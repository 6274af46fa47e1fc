package lualib

import (
	"errors"

	lua "github.com/yuin/gopher-lua"
)

// Errors of a Budget that has run out; their texts are what a script's caller
// sees.
var (
	ErrSteps = errors.New("script ran for more steps than a script may take")
	ErrBytes = errors.New("script allocated more memory than a script may take")
)

// Budget bounds one run of a script in steps (an instruction of the
// interpreter, a step of a pattern match, an element copied) and in bytes
// allocated over the run, garbage included. It counts, it measures no time:
// all replicas run out at the same place. A Budget that has run out stays so:
// pcall in a script catches the error once, and the next step raises it again.
// Not safe for concurrent use.
type Budget struct {
	steps int64
	bytes int64
	err   error
	json  *jsonLib // whose settings Reset restores
}

// NewBudget gives a script steps and bytes to use up.
func NewBudget(steps, bytes int64) *Budget {
	return &Budget{steps: steps, bytes: bytes}
}

// Reset refills b for another run and restores the settings of the cjson that
// draws on it: a script must not see what an earlier one set, which a replica
// that has restarted since would not know.
func (b *Budget) Reset(steps, bytes int64) {
	b.steps, b.bytes, b.err = steps, bytes, nil
	if b.json != nil {
		b.json.jsonConfig = defaultJSON
	}
}

// Steps reports how many steps are left.
func (b *Budget) Steps() int64 { return b.steps }

// Bytes reports how many bytes are left.
func (b *Budget) Bytes() int64 { return b.bytes }

// Err reports why b has run out: nil, ErrSteps or ErrBytes.
func (b *Budget) Err() error { return b.err }

// Take uses up n steps without raising anything and reports whether the script
// may go on. It is for the interpreter's own count of instructions.
func (b *Budget) Take(n int64) bool {
	if b.err == nil && n > b.steps {
		b.err = ErrSteps
		b.steps = 0
	}
	if b.err != nil {
		return false
	}
	b.steps -= n
	return true
}

// TakeBytes uses up n bytes as Take does steps.
func (b *Budget) TakeBytes(n int64) bool {
	if b.err == nil && n > b.bytes {
		b.err = ErrBytes
		b.bytes = 0
	}
	if b.err != nil {
		return false
	}
	b.bytes -= n
	return true
}

// Exhaust ends the run: nothing is left.
func (b *Budget) Exhaust() { b.steps, b.err = 0, ErrSteps }

// Spend uses up n steps, or raises a Lua error in L.
func (b *Budget) Spend(L *lua.LState, n int64) {
	if !b.Take(n) {
		L.RaiseError("%s", b.err.Error())
	}
}

// Grow uses up n bytes, or raises a Lua error in L. It is called before the
// memory is allocated.
func (b *Budget) Grow(L *lua.LState, n int64) {
	if !b.TakeBytes(n) {
		L.RaiseError("%s", b.err.Error())
	}
}
