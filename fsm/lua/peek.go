package lua

import (
	"fmt"
	"reflect"
	"unsafe"

	glua "github.com/yuin/gopher-lua"
)

// The interpreter asks its context before every instruction, but doesn't say
// which one. The mirrors below have the layout of its unexported types, so that
// the meter can see the instruction and its operands. checkLayout compares them
// field by field with the types of the version that is linked: a version with
// another layout doesn't start.

// frame mirrors gopher-lua's callFrame.
type frame struct {
	Idx        int
	Fn         *glua.LFunction
	Parent     *frame
	Pc         int // of the instruction after the current one
	Base       int
	LocalBase  int
	ReturnBase int
	NArgs      int
	NRet       int
	TailCall   int
}

// registry mirrors the beginning of gopher-lua's registry.
type registry struct {
	array []glua.LValue
	top   int
}

// table mirrors gopher-lua's LTable.
type table struct {
	Metatable glua.LValue
	array     []glua.LValue
	dict      map[glua.LValue]glua.LValue
	strdict   map[string]glua.LValue
	keys      []glua.LValue
	k2i       map[glua.LValue]int
}

var frameOffset, registryOffset = checkLayout()

// checkLayout panics if the mirrors don't fit the types of gopher-lua, and
// returns where a state holds its frame and its registry.
func checkLayout() (frameAt, registryAt uintptr) {
	state := reflect.TypeFor[glua.LState]()
	frameField, ok1 := state.FieldByName("currentFrame")
	regField, ok2 := state.FieldByName("reg")
	if !ok1 || !ok2 {
		panic("gopher-lua: LState has no currentFrame or reg")
	}
	sameLayout(reflect.TypeFor[frame](), frameField.Type.Elem())
	sameLayout(reflect.TypeFor[registry](), regField.Type.Elem())
	sameLayout(reflect.TypeFor[table](), reflect.TypeFor[glua.LTable]())
	return frameField.Offset, regField.Offset
}

func sameLayout(mirror, real reflect.Type) {
	for i := range mirror.NumField() {
		m := mirror.Field(i)
		r, ok := real.FieldByName(m.Name)
		same := ok && m.Offset == r.Offset && m.Type.Kind() == r.Type.Kind()
		if same && m.Type.Kind() != reflect.Pointer {
			same = m.Type == r.Type
		}
		if !same {
			panic(fmt.Sprintf("gopher-lua: field %s of %s is not where it was", m.Name, real))
		}
	}
}

func frameOf(L *glua.LState) *frame {
	return *(**frame)(unsafe.Add(unsafe.Pointer(L), frameOffset))
}

func registryOf(L *glua.LState) *registry {
	return *(**registry)(unsafe.Add(unsafe.Pointer(L), registryOffset))
}

func inside(t *glua.LTable) *table { return (*table)(unsafe.Pointer(t)) }

// next returns the pair behind key, in the order of insertion for what is not in
// the array part, and how many places it looked at. ok is false for a key that
// the table doesn't know.
func (t *table) next(key glua.LValue) (k, v glua.LValue, looked int, ok bool) {
	i := 0 // of the array, or of the keys
	array := true
	switch n, number := key.(glua.LNumber); {
	case key == glua.LNil:
	case number && n >= 1 && n <= glua.LNumber(len(t.array)) && n == glua.LNumber(int(n)):
		i = int(n)
	default:
		at, known := t.k2i[key]
		if !known {
			return nil, nil, 1, false
		}
		i, array = at+1, false
	}
	if array {
		for ; i < len(t.array); i++ {
			looked++
			if v := t.array[i]; v != glua.LNil {
				return glua.LNumber(i + 1), v, looked, true
			}
		}
		i = 0
	}
	for ; i < len(t.keys); i++ {
		looked++
		var v glua.LValue
		if s, text := t.keys[i].(glua.LString); text {
			v = t.strdict[string(s)]
		} else {
			v = t.dict[t.keys[i]]
		}
		if v != nil && v != glua.LNil {
			return t.keys[i], v, looked, true
		}
	}
	return glua.LNil, glua.LNil, looked, true
}
