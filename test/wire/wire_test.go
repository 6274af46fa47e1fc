package wire

import (
	"bufio"
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestReadAndParseKeepEveryByte(t *testing.T) {
	cases := []struct {
		raw   string
		kind  byte
		str   string
		null  bool
		elems int
	}{
		{"+OK\r\n", '+', "OK", false, 0},
		{"-ERR no\r\n", '-', "ERR no", false, 0},
		{":-12\r\n", ':', "-12", false, 0},
		{"$0\r\n\r\n", '$', "", false, 0},
		{"$4\r\na\r\nb\r\n", '$', "a\r\nb", false, 0},
		{"$-1\r\n", '$', "", true, 0},
		{"*-1\r\n", '*', "", true, 0},
		{"_\r\n", '_', "", true, 0},
		{"*2\r\n*1\r\n:1\r\n$1\r\nx\r\n", '*', "", false, 2},
		{"%1\r\n+k\r\n~1\r\n,1.5\r\n", '%', "", false, 2},
		{"=7\r\ntxt:abc\r\n", '=', "txt:abc", false, 0},
		{"#t\r\n", '#', "t", false, 0},
	}
	for _, c := range cases {
		raw, err := ReadRaw(bufio.NewReaderSize(strings.NewReader(c.raw+"+next\r\n"), 16), nil)
		if err != nil || string(raw) != c.raw {
			t.Errorf("ReadRaw(%q) = %q, %v", c.raw, raw, err)
			continue
		}
		r, err := Parse(raw)
		if err != nil || r.Kind != c.kind || string(r.Str) != c.str || r.Null != c.null ||
			len(r.Elems) != c.elems || !bytes.Equal(r.Raw, raw) {
			t.Errorf("Parse(%q) = %+v, %v", c.raw, r, err)
		}
	}
}

func TestAttributesAreDropped(t *testing.T) {
	raw, err := ReadRaw(bufio.NewReader(strings.NewReader("|1\r\n+ttl\r\n:3\r\n:7\r\n")), nil)
	if err != nil || string(raw) != ":7\r\n" {
		t.Fatalf("got %q, %v", raw, err)
	}
}

func TestMalformedRepliesAreRefused(t *testing.T) {
	for _, in := range []string{"\r\n", "x\r\n", "$3\r\nabcde\r\n", "$-2\r\n", "*99999999999\r\n", "+OK\n",
		"$9223372036854775807\r\n", strings.Repeat("*1\r\n", 100) + ":1\r\n"} {
		if _, err := ReadRaw(bufio.NewReader(strings.NewReader(in)), nil); !errors.Is(err, ErrMalformed) {
			t.Errorf("ReadRaw(%q): %v, want ErrMalformed", in, err)
		}
	}
}

func TestAppendCommand(t *testing.T) {
	got := AppendCommand(nil, "SET", "", "a\r\n")
	if want := "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$3\r\na\r\n\r\n"; string(got) != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}
