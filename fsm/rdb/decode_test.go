package rdb

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/fsm/listpack"
)

// show returns a value as text: encoding and elements.
func show(v *keyspace.Value) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", v.Kind(), v.Encoding())
	switch v.Kind() {
	case keyspace.KindString:
		fmt.Fprintf(&b, " %q", v.Str(nil))
	case keyspace.KindList:
		v.List().Each(func(_ int, e []byte) bool { fmt.Fprintf(&b, " %q", e); return true })
	case keyspace.KindSet:
		v.Set().Each(func(e []byte) bool { fmt.Fprintf(&b, " %q", e); return true })
	case keyspace.KindZSet:
		v.ZSet().EachStored(func(e []byte, score float64) { fmt.Fprintf(&b, " %q %g", e, score) })
	case keyspace.KindHash:
		v.Hash().Each(func(f, e []byte) bool { fmt.Fprintf(&b, " %q %q", f, e); return true })
	case keyspace.KindStream:
		showStream(&b, v.Stream())
	}
	return b.String()
}

// oldForms returns the payloads of testdata/old_forms.txt by name.
func oldForms(t testing.TB) map[string][]byte {
	t.Helper()
	data, err := os.ReadFile("testdata/old_forms.txt")
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string][]byte{}
	for line := range strings.Lines(string(data)) {
		if name, text, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && line[0] != '#' {
			if forms[name], err = hex.DecodeString(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	return forms
}

func TestOldForms(t *testing.T) {
	numbers := `"0" "12" "13" "-1" "-128" "127" "128" "-32768" "32767" "40000" "-8388608" "8388607" "8388608" ` +
		`"-2147483648" "2147483647" "2147483648" "-9223372036854775808" "9223372036854775807"`
	all := fmt.Sprintf(`"" "a" %q %q %q "after" %s "end"`, strings.Repeat("x", 63), strings.Repeat("y", 64), strings.Repeat("z", 300), numbers)
	want := map[string]string{
		"list elements":      `list quicklist "a" "" "-1" "b"`,
		"list ziplist":       `list quicklist ` + all,
		"list of ziplists":   `list quicklist "a" "1" "b" ` + all,
		"list of listpacks":  `list quicklist "plain" "1" "abc"`,
		"set elements":       `set hashtable "a" "b" "256"`,
		"set of integers":    `set intset "1" "5" "2147483647"`,
		"zset text scores":   `zset listpack "c" -Inf "e" -3 "a" 1.5 "d" 1.2e+11 "b" +Inf`,
		"zset binary scores": `zset listpack "b" -7 "a" 0.1`,
		"zset ziplist":       `zset listpack "low" -Inf "a" 1 "b" 1 "c" 1.5 "d" 70000`,
		"hash elements":      `hash listpack "f" "v" "g" "7"`,
		"hash ziplist":       fmt.Sprintf(`hash listpack "f" "v" "3" "4" "long" %q`, strings.Repeat("q", 300)),
		"hash zipmap":        fmt.Sprintf(`hash listpack "f" "v" "17" "-5" "long" %q "" "empty"`, strings.Repeat("long ", 12)),
		"string":             `string embstr "hello"`,
		"string lzf":         fmt.Sprintf(`string embstr %q`, strings.Repeat("a", 30)),
	}
	limits := keyspace.DefaultLimits()
	forms := oldForms(t)
	if len(forms) != len(want) {
		t.Errorf("%d forms, %d are expected", len(forms), len(want))
	}
	for name, payload := range forms {
		v, err := ParseDump(payload, &limits)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := show(&v); got != want[name] {
			t.Errorf("%s:\n%s, want\n%s", name, got, want[name])
		}
	}
}

// sealed makes a payload of a type and the bytes of a value.
func sealed(valueType byte, body string) []byte {
	b := append([]byte{valueType}, body...)
	b = binary.LittleEndian.AppendUint16(b, Version)
	return binary.LittleEndian.AppendUint64(b, CRC64(0, b))
}

func packed(elements ...string) string {
	lp := listpack.New()
	for _, e := range elements {
		lp = lp.Append([]byte(e))
	}
	var e Encoder
	e.blob(lp)
	return string(e.Bytes())
}

func double(f float64) string {
	return string(binary.LittleEndian.AppendUint64(nil, math.Float64bits(f)))
}

func TestValuesRefused(t *testing.T) {
	limits := keyspace.DefaultLimits()
	for _, c := range []struct {
		name    string
		payload []byte
		want    error
	}{
		{"member twice", sealed(typeSet, "\x02\x01a\x01a"), ErrFormat},
		{"member twice, as number and text", sealed(typeSet, "\x02\x015\xc0\x05"), ErrFormat},
		{"field twice", sealed(typeHash, "\x02\x01a\x01x\x01a\x01y"), ErrFormat},
		{"field twice in a listpack", sealed(typeHashListpack, packed("a", "x", "a", "y")), ErrFormat},
		{"field without value", sealed(typeHashListpack, packed("a", "x", "b")), ErrFormat},
		{"NaN", sealed(typeZSet2, "\x01\x01a"+double(math.NaN())), ErrFormat},
		{"NaN as text", sealed(typeZSet, "\x01\x01a\xfd"), ErrFormat},
		{"NaN in a listpack", sealed(typeZSetListpack, packed("a", "nan")), ErrFormat},
		{"no score", sealed(typeZSet, "\x01\x01a\x03abc"), ErrFormat},
		{"sorted set out of order", sealed(typeZSetListpack, packed("a", "2", "b", "1")), ErrFormat},
		{"sorted set member twice", sealed(typeZSetListpack, packed("a", "1", "a", "2")), ErrFormat},
		{"intset out of order", sealed(typeSetIntset, "\x0c\x02\x00\x00\x00\x02\x00\x00\x00\x02\x00\x01\x00"), ErrFormat},
		{"intset of odd width", sealed(typeSetIntset, "\x0b\x03\x00\x00\x00\x01\x00\x00\x00\x02\x00\x01"), ErrFormat},
		{"list node kind", sealed(typeListQuick2, "\x01\x03\x01a"), ErrFormat},
		{"list node no listpack", sealed(typeListQuick2, "\x01\x02\x01a"), ErrFormat},
		{"ziplist too short", sealed(typeListZiplist, "\x01a"), ErrFormat},
		{"unknown type", sealed(23, "\x01a"), ErrFormat},
		{"opcode for a type", sealed(opEOF, "\x01a"), ErrFormat},
		{"unknown string encoding", sealed(typeString, "\xc4a"), ErrFormat},
		{"unknown length form", sealed(typeString, "\x82aaaa"), ErrFormat},
		{"encoding for a count", sealed(typeSet, "\xc0\x01\x01a"), ErrFormat},
		{"compressed beyond reason", sealed(typeString, "\xc3\x04\x81\x00\x00\x00\x00\x10\x00\x00\x00abcd"), ErrFormat},
		{"huge string", sealed(typeString, "\x81\x7f\xff\xff\xff\xff\xff\xff\xff"), ErrFormat},
		{"bytes behind the value", sealed(typeString, "\x01ab"), ErrFormat},
		{"string cut", sealed(typeString, "\x80\x30\x00\x00\x00abc"), io.ErrUnexpectedEOF},
		{"huge set", sealed(typeSet, "\x81\x7f\xff\xff\xff\xff\xff\xff\xff\x01a"), io.ErrUnexpectedEOF},
		{"module", sealed(typeModule2, "\x81\x00\x00\x00\x00\x00\x00\x00\x01"), ErrUnsupported},
		{"zipmap cut", sealed(typeHashZipmap, "\x06\x01\x01a\x02\x00x"), ErrFormat},
		{"zipmap without pairs", sealed(typeHashZipmap, "\x02\x00\xff"), ErrFormat},
		{"zipmap of two pairs that says three", sealed(typeHashZipmap, "\x0c\x03\x01a\x01\x00x\x01b\x01\x00y\xff"), ErrFormat},
		{"field twice in a zipmap", sealed(typeHashZipmap, "\x0c\x02\x01a\x01\x00x\x01a\x01\x00y\xff"), ErrFormat},
		{"empty set", sealed(typeSet, "\x00"), ErrEmptyKey},
		{"empty hash", sealed(typeHashListpack, packed()), ErrEmptyKey},
		{"empty sorted set", sealed(typeZSetListpack, packed()), ErrEmptyKey},
		{"empty list", sealed(typeListQuick2, "\x01\x02"+packed()), ErrEmptyKey},
		{"empty intset", sealed(typeSetIntset, "\x08\x02\x00\x00\x00\x00\x00\x00\x00"), ErrEmptyKey},
		{"nothing but a footer", sealed(typeString, "")[1:], io.ErrUnexpectedEOF}, // a leading zero adds nothing to the sum
		{"too short", []byte("123456789"), ErrDump},
	} {
		var e *Error
		_, err := ParseDump(c.payload, &limits)
		if !errors.Is(err, c.want) || c.want != ErrDump && !errors.As(err, &e) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	good := sealed(typeString, "\x01a")
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		if _, err := ParseDump(bad, &limits); !errors.Is(err, ErrDump) {
			t.Errorf("wrong byte %d: %v", i, err)
		}
	}
	newer := binary.LittleEndian.AppendUint16([]byte("\x00\x01a"), Version+1)
	newer = binary.LittleEndian.AppendUint64(newer, CRC64(0, newer))
	if _, err := ParseDump(newer, &limits); !errors.Is(err, ErrDump) {
		t.Errorf("newer version: %v", err)
	}
}

// TestLimitsDecide: with limits, collections are held as Redis would; without,
// as they were written.
func TestLimitsDecide(t *testing.T) {
	small := keyspace.Limits{HashMaxListpackEntries: 1, HashMaxListpackValue: 64, ListMaxListpackSize: -2,
		SetMaxIntsetEntries: 1, ZsetMaxListpackEntries: 1, ZsetMaxListpackValue: 64}
	large := keyspace.DefaultLimits()
	intset := "\x0c\x02\x00\x00\x00\x02\x00\x00\x00\x01\x00\x02\x00"
	for _, c := range []struct {
		name                string
		payload             []byte
		exact, small, large string
	}{
		{"hash elements", sealed(typeHash, "\x02\x01a\x01x\x01b\x01y"), "hashtable", "hashtable", "listpack"},
		{"hash listpack", sealed(typeHashListpack, packed("a", "x", "b", "y")), "listpack", "hashtable", "listpack"},
		{"set elements", sealed(typeSet, "\x02\xc0\x01\xc0\x02"), "hashtable", "hashtable", "intset"},
		{"set intset", sealed(typeSetIntset, intset), "intset", "hashtable", "intset"},
		{"zset elements", sealed(typeZSet2, "\x02\x01a"+double(1)+"\x01b"+double(2)), "skiplist", "skiplist", "listpack"},
		{"zset listpack", sealed(typeZSetListpack, packed("a", "1", "b", "2")), "listpack", "skiplist", "listpack"},
	} {
		for _, l := range []struct {
			limits *keyspace.Limits
			want   string
		}{{nil, c.exact}, {&small, c.small}, {&large, c.large}} {
			v, err := ParseDump(c.payload, l.limits)
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			} else if v.Encoding() != l.want {
				t.Errorf("%s with %+v: %s, want %s", c.name, l.limits, v.Encoding(), l.want)
			}
		}
	}
}

// file builds a whole file around records.
func file(build func(e *Encoder)) []byte {
	var e Encoder
	var b bytes.Buffer
	e.Header()
	build(&e)
	w := NewWriter(&b)
	if _, err := w.Write(e.Bytes()); err != nil {
		panic(err)
	}
	if err := w.Finish(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// read decodes a file to its end.
func read(r io.Reader, limits *keyspace.Limits) (records []string, err error) {
	d := NewDecoder(r)
	d.Limits = limits
	for {
		rec, err := d.Next()
		switch {
		case errors.Is(err, io.EOF) && !errors.As(err, new(*Error)):
			return records, nil
		case errors.Is(err, ErrEmptyKey):
			continue
		case err != nil:
			return records, err
		}
		switch rec.Kind {
		case AuxField:
			records = append(records, fmt.Sprintf("aux %s=%s", rec.Name, rec.Text))
		case SizeHint:
			records = append(records, fmt.Sprintf("size %d %d %d", rec.DB, rec.Keys, rec.Expires))
		case KeyValue:
			records = append(records, fmt.Sprintf("%d %q %d %s", rec.DB, rec.Key, rec.ExpireAt, show(&rec.Value)))
		}
	}
}

func sample() []byte {
	raw, number := keyspace.NewRawString([]byte("12")), keyspace.NewInt(1<<40)
	text := keyspace.NewString(bytes.Repeat([]byte("text "), 30))
	return file(func(e *Encoder) {
		e.Aux("name", "value")
		e.Aux("number", "-123456")
		e.SelectDB(3)
		e.ResizeDB(3, 1<<40)
		e.Key("raw", 0, &raw)
		e.Key("17", 1_700_000_000_000, &number)
		e.SelectDB(70)
		e.Key("", 0, &text)
	})
}

func TestFile(t *testing.T) {
	want := []string{
		"aux name=value", "aux number=-123456", "size 3 3 1099511627776",
		`3 "raw" 0 string raw "12"`, `3 "17" 1700000000000 string int "1099511627776"`,
		fmt.Sprintf(`70 "" 0 string raw %q`, strings.Repeat("text ", 30)),
	}
	good := sample()
	for name, r := range map[string]io.Reader{
		"at once": bytes.NewReader(good), "byte by byte": iotest.OneByteReader(bytes.NewReader(good)),
		"end with data": iotest.DataErrReader(bytes.NewReader(good)),
	} {
		got, err := read(r, nil)
		if err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: %v\n%s", name, err, strings.Join(got, "\n"))
		}
	}
	for n := range good {
		if _, err := read(bytes.NewReader(good[:n]), nil); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut to %d: %v", n, err)
		}
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[n] ^= 1 << bit
			if _, err := read(bytes.NewReader(bad), nil); err == nil {
				t.Errorf("bit %d of byte %d is wrong: no error", bit, n)
			}
		}
	}
	if _, err := read(iotest.ErrReader(io.ErrClosedPipe), nil); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("reader's error: %v", err)
	}
	if _, err := read(bytes.NewReader(append(good, 'x')), nil); !errors.Is(err, ErrFormat) {
		t.Errorf("bytes behind the end: %v", err)
	}
	// Redis writes zero for "no checksum". From us it is a damaged file.
	clear(good[len(good)-8:])
	limits := keyspace.DefaultLimits()
	if _, err := read(bytes.NewReader(good), &limits); err != nil {
		t.Errorf("without a checksum: %v", err)
	}
	if _, err := read(bytes.NewReader(good), nil); !errors.Is(err, ErrChecksum) {
		t.Errorf("ours without a checksum: %v", err)
	}
}

func TestFilesRefused(t *testing.T) {
	tail := "\xff\x00\x00\x00\x00\x00\x00\x00\x00"
	limits := keyspace.DefaultLimits()
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"stock header", "REDIS0009" + tail, nil},
		{"before checksums", "REDIS0003\xfd\x01\x00\x00\x00\x00\x01k\x01v\xff", nil},
		{"eviction data", "REDIS0010\xf9\x05\xf8\x40\x64\x00\x01k\x01v" + tail, nil},
		{"expiry, then eviction data", "REDIS0010\xfc\x01\x00\x00\x00\x00\x00\x00\x00\xf9\x05\x00\x01k\x01v" + tail, nil},
		{"empty key is passed over", "REDIS0010\x02\x01k\x00\x00\x01k\x01v" + tail, nil},
		{"no RDB", "RADIS0010" + tail, ErrFormat},
		{"no version", "REDIS00x0" + tail, ErrFormat},
		{"version 0", "REDIS0000" + tail, ErrFormat},
		{"far version", "REDIS0099" + tail, ErrUnsupported},
		{"module data", "REDIS0010\xf7\x81\x00\x00\x00\x00\x00\x00\x00\x01" + tail, ErrUnsupported},
		{"functions", "REDIS0010\xf5\x01x" + tail, nil},
		{"functions of 7.0-rc1", "REDIS0010\xf6\x01x\x03LUA\x01\x01d\x01c\xf6\x01y\x03LUA\x00\x01c" + tail, nil},
		{"slots", "REDIS0012\xf4" + tail, ErrUnsupported},
		{"expiry without key", "REDIS0010\xfc\x01\x00\x00\x00\x00\x00\x00\x00" + tail, ErrFormat},
		{"expiry before the epoch", "REDIS0010\xfc\xf0\xff\xff\xff\xff\xff\xff\xff\x00\x01k\x01v" + tail, nil},
		{"expiry zero is one", "REDIS0010\xfc\x00\x00\x00\x00\x00\x00\x00\x00" + tail, ErrFormat},
		{"database beyond counting", "REDIS0010\xfe\x81\xff\xff\xff\xff\xff\xff\xff\xff" + tail, ErrFormat},
		{"unknown opcode", "REDIS0010\xf0" + tail, ErrFormat},
	} {
		if _, err := read(strings.NewReader(c.text), &limits); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// TestMemoryIsBounded: what a file claims reserves nothing.
func TestMemoryIsBounded(t *testing.T) {
	limits := keyspace.DefaultLimits()
	for name, payload := range map[string][]byte{
		"string": sealed(typeString, "\x80\x3f\xff\xff\xffabc"),
		"set":    sealed(typeSet, "\x80\xff\xff\xff\xff\x01a"),
		"hash":   sealed(typeHash, "\x80\xff\xff\xff\xff\x01a\x01b"),
		"list":   sealed(typeListQuick2, "\x80\xff\xff\xff\xff\x02\x80\x3f\xff\xff\xff"),
		"lzf":    sealed(typeString, "\xc3\x80\x3f\xff\xff\xff\x80\x3f\xff\xff\xffabc"),
		"zset":   sealed(typeZSet2, "\x80\xff\xff\xff\xff\x01a"+double(1)),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := ParseDump(payload, &limits)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
			t.Errorf("%s: %d bytes allocated for a payload of %d", name, used, len(payload))
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add(sample())
	limits := keyspace.DefaultLimits()
	f.Fuzz(func(t *testing.T, b []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = read(bytes.NewReader(b), &limits)
		_, _ = read(bytes.NewReader(b), nil)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20+2000*uint64(len(b)) {
			t.Fatalf("%d bytes allocated for a file of %d", used, len(b))
		}
	})
}

// FuzzValue feeds values with a right checksum, and writes what it gets back.
func FuzzValue(f *testing.F) {
	for _, payload := range oldForms(f) {
		f.Add(payload[0], payload[1:len(payload)-dumpFooter])
	}
	for _, elements := range [][]string{{"a", "1", "b", "2"}, {"-5", "1.5"}} {
		for _, valueType := range []byte{typeHashListpack, typeZSetListpack, typeSetListpack} {
			f.Add(valueType, []byte(packed(elements...)))
		}
		f.Add(byte(typeListQuick2), []byte("\x01\x02"+packed(elements...)))
	}
	f.Add(byte(typeSetIntset), []byte("\x0c\x02\x00\x00\x00\x02\x00\x00\x00\x01\x00\x02\x00"))
	limits := keyspace.DefaultLimits()
	f.Fuzz(func(t *testing.T, valueType byte, body []byte) {
		for _, l := range []*keyspace.Limits{nil, &limits} {
			v, err := ParseDump(sealed(valueType, string(body)), l)
			if err != nil {
				continue
			}
			want := show(&v)
			again, err := ParseDump(AppendDump(nil, &v), nil)
			if err != nil {
				t.Fatalf("%s: %v", want, err)
			}
			if v.Kind() != again.Kind() || v.Kind() != keyspace.KindString && v.Encoding() != again.Encoding() {
				t.Fatalf("%s came back as %s", want, show(&again))
			}
			kept := file(func(e *Encoder) { e.Key("k", 0, &v) })
			records, err := read(bytes.NewReader(kept), nil)
			if err != nil || len(records) != 1 || records[0] != `0 "k" 0 `+want {
				t.Fatalf("%s came back as %s, %v", want, records, err)
			}
		}
	})
}
