package listpack

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestGolden pins the bytes at the borders of the encodings. TestAgainstRedis
// checks the same against a server.
func TestGolden(t *testing.T) {
	check := func(want string, values ...string) {
		t.Helper()
		lp := New()
		for _, v := range values {
			lp = lp.Append([]byte(v))
		}
		if got := hex.EncodeToString(lp); got != want {
			t.Errorf("%.60q:\n got %.200s\nwant %.200s", values, got, want)
		}
		if err := Valid(lp); err != nil {
			t.Errorf("%.60q: %v", values, err)
		}
	}
	check("07000000" + "0000" + "ff")
	check("09000000"+"0100"+"0001"+"ff", "0")
	check("0b000000"+"0200"+"7f01"+"0101"+"ff", "127", "1")
	check("0a000000"+"0100"+"c08002"+"ff", "128")
	check("0a000000"+"0100"+"cfff02"+"ff", "4095")
	check("0b000000"+"0100"+"f1001003"+"ff", "4096")
	check("0a000000"+"0100"+"dfff02"+"ff", "-1")
	check("0a000000"+"0100"+"d00002"+"ff", "-4096")
	check("0b000000"+"0100"+"f1ffef03"+"ff", "-4097")
	check("0c000000"+"0100"+"f200800004"+"ff", "32768")
	check("0c000000"+"0100"+"f200008004"+"ff", "-8388608")
	check("0d000000"+"0100"+"f3ffff7fff05"+"ff", "-8388609")
	check("11000000"+"0100"+"f4000000800000000009"+"ff", "2147483648")
	check("11000000"+"0100"+"f4000000000000008009"+"ff", "-9223372036854775808")
	check("09000000"+"0100"+"8001"+"ff", "")
	check("0b000000"+"0100"+"822d3003"+"ff", "-0")
	check("0b000000"+"0100"+"82303103"+"ff", "01")
	check("1c000000"+"0100"+"93"+hex.EncodeToString([]byte("9223372036854775808"))+"14"+"ff", "9223372036854775808")
	x := func(n int) string { return strings.Repeat("78", n) }
	xs := func(n int) string { return strings.Repeat("x", n) }
	check("48000000"+"0100"+"bf"+x(63)+"40"+"ff", xs(63))
	check("4a000000"+"0100"+"e040"+x(64)+"42"+"ff", xs(64))
	check("87000000"+"0100"+"e07d"+x(125)+"7f"+"ff", xs(125))
	check("89000000"+"0100"+"e07e"+x(126)+"0180"+"ff", xs(126))
	check("0a100000"+"0100"+"efff"+x(4095)+"2081"+"ff", xs(4095))
	check("0e100000"+"0100"+"f000100000"+x(4096)+"2085"+"ff", xs(4096))
	// 16383 bytes of data: three bytes back although two could hold it.
	check("09400000"+"0100"+"f0fa3f0000"+x(16378)+"00ffff"+"ff", xs(16378))
	check("07400000"+"0100"+"f0f93f0000"+x(16377)+"7ffe"+"ff", xs(16377))
}

func TestParseInt(t *testing.T) {
	for _, s := range []string{"0", "1", "-1", "10", "9223372036854775807", "-9223372036854775808"} {
		n, ok := ParseInt([]byte(s))
		if !ok || strconv.FormatInt(n, 10) != s {
			t.Errorf("ParseInt(%q) = %d, %v", s, n, ok)
		}
	}
	for _, s := range []string{
		"", "-", "-0", "00", "01", "-01", "+1", " 1", "1 ", "1.0", "1e3", "a", "9223372036854775808",
		"-9223372036854775809", "18446744073709551616", "99999999999999999999", "100000000000000000000", "--1",
	} {
		if n, ok := ParseInt([]byte(s)); ok {
			t.Errorf("ParseInt(%q) = %d, want none", s, n)
		}
	}
}

// interesting returns a random value near the borders of the encodings.
func interesting(r *rand.Rand) []byte {
	if r.IntN(2) == 0 {
		shift := r.IntN(64)
		n := int64(1)<<shift + int64(r.IntN(5)) - 2
		if r.IntN(2) == 0 {
			n = -n
		}
		return strconv.AppendInt(nil, n, 10)
	}
	sizes := []int{0, 1, 2, 10, 62, 63, 64, 65, 120, 124, 125, 126, 127, 128, 300}
	if r.IntN(20) == 0 {
		sizes = []int{4093, 4094, 4095, 4096, 4097, 16376, 16377, 16378, 16379}
	}
	b := make([]byte, sizes[r.IntN(len(sizes))])
	for i := range b {
		b[i] = byte(r.IntN(256))
	}
	return b
}

// contents reads lp forwards, backwards and by index and fails the test when
// they don't agree.
func contents(t *testing.T, lp LP) [][]byte {
	t.Helper()
	if err := Valid(lp); err != nil {
		t.Fatal(err)
	}
	var forwards, backwards [][]byte
	var scratch Scratch
	for p := lp.First(); p >= 0; p = lp.Next(p) {
		forwards = append(forwards, bytes.Clone(lp.Get(p, &scratch)))
	}
	for p := lp.Last(); p >= 0; p = lp.Prev(p) {
		backwards = append(backwards, bytes.Clone(lp.Get(p, &scratch)))
	}
	slices.Reverse(backwards)
	if !slices.EqualFunc(forwards, backwards, bytes.Equal) {
		t.Fatalf("forwards %q, backwards %q", forwards, backwards)
	}
	if lp.Len() != len(forwards) {
		t.Fatalf("Len = %d, there are %d", lp.Len(), len(forwards))
	}
	return forwards
}

// TestAgainstModel drives a listpack and a slice with the same operations.
func TestAgainstModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	lp, model := New(), [][]byte{}
	for step := range 20000 {
		v := interesting(r)
		given := bytes.Clone(v)
		i := 0
		if len(model) > 0 {
			i = r.IntN(len(model))
		}
		p := lp.Seek(i)
		if (p < 0) != (len(model) == 0) {
			t.Fatalf("step %d: Seek(%d) = %d of %d", step, i, p, len(model))
		}
		op := r.IntN(8)
		if len(model) > 40 {
			op = 6 + r.IntN(2)
		}
		switch {
		case op == 0 || len(model) == 0:
			lp, model = lp.Append(given), append(model, v)
		case op == 1:
			lp, model = lp.Prepend(given), slices.Insert(model, 0, v)
		case op == 2:
			lp, model = lp.InsertBefore(p, given), slices.Insert(model, i, v)
			if !lp.Equal(p, v) {
				t.Fatalf("step %d: the element inserted is not at its place", step)
			}
		case op == 3:
			lp, model = lp.InsertAfter(p, given), slices.Insert(model, i+1, v)
		case op == 4:
			lp = lp.Replace(p, given)
			model[i] = v
		case op == 5: // values that lie in the listpack itself
			var s Scratch
			v = bytes.Clone(lp.Get(p, &s))
			lp, model = lp.Prepend(lp.Get(p, &s)), slices.Insert(model, 0, v)
		default:
			n := r.IntN(4)
			lp, model = lp.Delete(p, n), slices.Delete(model, i, min(i+n, len(model)))
			if (p == lp.End()) != (i == len(model)) {
				t.Fatalf("step %d: Delete left its offset at %d of %d", step, p, lp.End())
			}
		}
		clear(given) // the listpack holds copies
		if got := contents(t, lp); !slices.EqualFunc(got, model, bytes.Equal) {
			t.Fatalf("step %d op %d:\n got %q\nwant %q", step, op, got, model)
		}
		checkLookups(t, r, lp, model)
		if cap(lp) > 2*len(lp)+128 {
			t.Fatalf("step %d: %d bytes in %d", step, len(lp), cap(lp))
		}
	}
}

func checkLookups(t *testing.T, r *rand.Rand, lp LP, model [][]byte) {
	t.Helper()
	index := r.IntN(2*len(model)+5) - len(model) - 2
	at := index
	if at < 0 {
		at += len(model)
	}
	var s Scratch
	p := lp.Seek(index)
	if at < 0 || at >= len(model) {
		if p >= 0 {
			t.Fatalf("Seek(%d) of %d = %d, want none", index, len(model), p)
		}
		return
	}
	if got := lp.Get(p, &s); !bytes.Equal(got, model[at]) {
		t.Fatalf("Seek(%d) = %q, want %q", index, got, model[at])
	}
	skip := r.IntN(3)
	want := -1
	for i := at % (skip + 1); i < len(model); i += skip + 1 {
		if bytes.Equal(model[i], model[at]) {
			want = i
			break
		}
	}
	if got := lp.Find(model[at], lp.Seek(at%(skip+1)), skip); got != lp.Seek(want) {
		t.Fatalf("Find with skip %d = %d, want %d", skip, got, lp.Seek(want))
	}
	if lp.Find([]byte("not there"), lp.First(), skip) != -1 {
		t.Fatal("Find found what is not there")
	}
}

// TestManyElements crosses the border at which the header's count saturates.
func TestManyElements(t *testing.T) {
	lp := New()
	const n = 65600
	for i := range n {
		lp = lp.Append(strconv.AppendInt(nil, int64(i), 10))
		if i == 65533 || i == 65534 || i == n-1 {
			if lp.Len() != i+1 {
				t.Fatalf("Len = %d, want %d", lp.Len(), i+1)
			}
			if err := Valid(lp); err != nil {
				t.Fatal(err)
			}
		}
	}
	var s Scratch
	for _, i := range []int{0, 1, 65535, n - 1, -1, -2, -n} {
		want := strconv.Itoa((i + n) % n)
		if got := lp.Get(lp.Seek(i), &s); string(got) != want {
			t.Errorf("Seek(%d) = %q, want %s", i, got, want)
		}
	}
	if lp.Seek(n) != -1 || lp.Seek(-n-1) != -1 {
		t.Error("Seek beyond the ends found something")
	}
	lp = lp.Delete(lp.Seek(10), 600)
	if lp.Len() != n-600 || Valid(lp) != nil {
		t.Errorf("after Delete: Len = %d, %v", lp.Len(), Valid(lp))
	}
	if lp = lp.Delete(lp.First(), n); string(lp) != string(New()) {
		t.Errorf("emptied: %x", []byte(lp))
	}
}

func TestConcat(t *testing.T) {
	pack := func(n int) (lp LP) {
		lp = New()
		for i := range n {
			lp = lp.Append(strconv.AppendInt(nil, int64(i), 10))
		}
		return lp
	}
	for _, sizes := range [][2]int{{0, 0}, {0, 3}, {3, 0}, {2, 5}, {65000, 534}, {65000, 535}, {65600, 1}} {
		a, b := pack(sizes[0]), pack(sizes[1])
		want := append(contents(t, a), contents(t, b)...)
		if got := contents(t, a.Concat(b)); !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("%v: %d elements, want %d", sizes, len(got), len(want))
		}
	}
}

func TestReadsDoNotAllocate(t *testing.T) {
	lp := New()
	for i := range 20 {
		lp = lp.Append(fmt.Appendf(nil, "field%d", i)).Append(strconv.AppendInt(nil, int64(i)*1e6, 10))
	}
	field, sum := []byte("field19"), 0
	if n := testing.AllocsPerRun(100, func() {
		var s Scratch
		p := lp.Find(field, lp.First(), 1)
		sum += len(lp.Get(lp.Next(p), &s))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAppend8KiB(b *testing.B) {
	b.ReportAllocs()
	v := []byte("a value of twenty-four b")
	lp := New()
	for b.Loop() {
		if len(lp) > 8000 {
			lp = New()
		}
		lp = lp.Append(v)
	}
}

func BenchmarkFind64(b *testing.B) {
	lp := New()
	for i := range 64 {
		lp = lp.Append(fmt.Appendf(nil, "field%d", i)).Append([]byte("value"))
	}
	field := []byte("field63")
	for b.Loop() {
		lp.Find(field, lp.First(), 1)
	}
}
