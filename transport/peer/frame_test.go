package peer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func TestFramesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream []byte
		var want []frame
		for range rapid.IntRange(1, 20).Draw(t, "frames") {
			size := rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(readBuffer-40, readBuffer+40),
				rapid.IntRange(3*strangeStep, 4*strangeStep)).Draw(t, "size")
			f := frame{kind: rapid.Byte().Draw(t, "kind"), id: rapid.Uint64().Draw(t, "id"), body: make([]byte, size)}
			for i := range f.body {
				f.body[i] = byte(i * 7)
			}
			start := len(stream)
			stream = append(beginFrame(stream, f.kind, f.id), f.body...)
			endFrame(stream, start, 0)
			want = append(want, f)
		}
		var r io.Reader = bytes.NewReader(stream)
		if rapid.Bool().Draw(t, "halves") {
			r = iotest.HalfReader(r)
		}
		fr := newFrameReader(r, readBuffer, 1<<20)
		for i, w := range want {
			f, err := fr.next()
			if err != nil || f.kind != w.kind || f.id != w.id || !bytes.Equal(f.body, w.body) {
				t.Fatalf("frame %d: %v, kind %d, id %d, %d bytes", i, err, f.kind, f.id, len(f.body))
			}
			if fr.more() && i == len(want)-1 {
				t.Fatal("more after the last")
			}
		}
		if _, err := fr.next(); err != io.EOF {
			t.Fatalf("at the end: %v", err)
		}
	})
}

func TestMalformedFrames(t *testing.T) {
	good := beginFrame(nil, kindPing, 1)
	endFrame(good, 0, 0)
	change := func(at int, b byte) []byte {
		c := bytes.Clone(good)
		c[at] = b
		return c
	}
	for name, c := range map[string]struct {
		in   []byte
		want error
	}{
		"version":      {change(4, 9), ErrProtocol},
		"too short":    {change(3, 9), ErrProtocol},
		"zero":         {make([]byte, 20), ErrProtocol},
		"4 GiB":        {append(bytes.Repeat([]byte{0xff}, 4), good[4:]...), ErrProtocol},
		"cut header":   {good[:7], io.ErrUnexpectedEOF},
		"cut body":     {change(3, 50), io.ErrUnexpectedEOF},
		"cut long one": {change(1, 8), io.ErrUnexpectedEOF},
		"nothing":      {nil, io.EOF},
	} {
		if _, err := newFrameReader(bytes.NewReader(c.in), readBuffer, 1<<20).next(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestForgedLengthAllocatesInSteps: a frame that claims the most allowed and
// then sends little costs little.
func TestForgedLengthAllocatesInSteps(t *testing.T) {
	head := beginFrame(nil, kindService, 1)
	endFrame(head, 0, 1<<30-100)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fr := newFrameReader(io.MultiReader(bytes.NewReader(head), strings.NewReader(strings.Repeat("x", 1<<20))), readBuffer, 1<<30)
	if _, err := fr.next(); err != io.ErrUnexpectedEOF {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
		t.Errorf("%d bytes allocated for 1 MiB received", n)
	}
}

func FuzzFrames(f *testing.F) {
	good := beginFrame(nil, kindPing, 1)
	endFrame(good, 0, 0)
	f.Add(good)
	f.Add(binary.BigEndian.AppendUint32(nil, 1<<32-1))
	f.Fuzz(func(t *testing.T, b []byte) {
		fr := newFrameReader(bytes.NewReader(b), 1<<10, 1<<20)
		total := 0
		for {
			fr.more()
			f, err := fr.next()
			if err != nil {
				break
			}
			if total += headerLen + len(f.body); total > len(b) {
				t.Fatal("more frames than bytes")
			}
		}
		if h, err := readHello(bytes.NewReader(b)); err == nil {
			again, err := readHello(bytes.NewReader(h.append(nil)))
			if err != nil || again != h {
				t.Fatalf("%+v became %+v, %v", h, again, err)
			}
		}
		r := &chunkReader{fr: newFrameReader(bytes.NewReader(b), chunkFrame, chunkFrame-4), left: 100}
		for r.err = r.nextChunk(); r.err == nil; r.err = r.nextChunk() {
			if r.total > 100 {
				t.Fatal("more data than announced")
			}
		}
	})
}
