package backup

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/fsm/rdb"
)

func TestManifest(t *testing.T) {
	m := &Manifest{Format: manifestFormat, Began: time.UnixMilli(1234567).UTC(), TookMs: 5, Server: "v", Cluster: "c", Keys: 3, Expires: 1, Bytes: 99,
		Groups: []Part{{Origin: fsm.Origin{Group: 1, Term: 2, Index: 3, Time: 4, Slots: "0-16383", Keys: 3, Expires: 1}, File: "f", Bytes: 99, SHA256: "s"}},
		Users:  &UsersPart{File: "u", Users: 4, Bytes: 77, SHA256: "s"}}
	text := m.encode()
	back, err := parseManifest(text)
	if err != nil || !bytes.Equal(back.encode(), text) {
		t.Fatalf("%v: %s, want %s", err, back.encode(), text)
	}
	// Whatever digit or letter is another one, it is noticed.
	for i, c := range text {
		if c < '0' || c == ':' || c > 'z' {
			continue
		}
		damaged := append([]byte{}, text...)
		if damaged[i] = c ^ 1; c == '0' {
			damaged[i] = '5'
		}
		if _, err := parseManifest(damaged); err == nil {
			t.Errorf("byte %d is %q and not %q, and nobody cares", i, damaged[i], c)
		}
	}
}

func TestDestination(t *testing.T) {
	for _, name := range []string{"tree", "one.rdb"} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		part := "part"
		if Single(path) {
			part = ""
		}
		write := func(d destination, text string) {
			t.Helper()
			w, err := d.Create(part)
			if err == nil {
				_, err = io.WriteString(w, text)
			}
			if err = errors.Join(err, w.Close()); err != nil {
				t.Fatal(err)
			}
		}
		holds := func(want ...string) {
			t.Helper()
			entries, _ := os.ReadDir(dir)
			if len(entries) != len(want) {
				t.Errorf("%d entries: %v", len(entries), entries)
			}
			for _, w := range want {
				if b, err := os.ReadFile(filepath.Join(path, part)); err != nil || string(b) != w {
					t.Errorf("%q %v, want %q", b, err, w)
				}
			}
		}
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		d, err := openLocal(path, false)
		must(err)
		write(d, "given up")
		must(d.Abort())
		holds()
		d, err = openLocal(path, false)
		must(err)
		write(d, "begun")
		write(d, "first")
		late, err := openLocal(path, false) // another, at the same time
		must(err)
		write(late, "late")
		must(d.Commit())
		must(d.Abort())
		if err := late.Commit(); err == nil {
			t.Errorf("%s: what has come meanwhile was replaced", name)
		}
		must(late.Abort())
		holds("first")
		if _, err := openLocal(path, false); !errors.Is(err, errExists) {
			t.Errorf("%s: %v", name, err)
		}
		d, err = openLocal(path, true)
		must(err)
		write(d, "second")
		holdsFirst, _ := os.ReadFile(filepath.Join(path, part))
		if string(holdsFirst) != "first" {
			t.Errorf("%s: replaced before Commit", name)
		}
		must(d.Commit())
		holds("second")
	}
}

// TestDigest: equal contents have equal digests, however they are held, and anything
// else that a client can see makes a difference.
func TestDigest(t *testing.T) {
	small, large := keyspace.DefaultLimits(), keyspace.DefaultLimits()
	large.HashMaxListpackEntries, large.SetMaxIntsetEntries, large.ZsetMaxListpackEntries, large.ListMaxListpackSize = 0, 0, 0, 1
	values := func(lim *keyspace.Limits, order ...string) []keyspace.Value {
		var set, numbers keyspace.Set
		var hash keyspace.Hash
		var zset keyspace.ZSet
		var list keyspace.List
		for i, s := range order {
			set.Add([]byte(s), lim)
			numbers.Add([]byte{'0' + s[0]%10}, lim)
			hash.Set([]byte(s), []byte("v"+s), lim)
			zset.Add([]byte(s), float64(s[0]), lim)
			list.PushRight([]byte{byte('a' + i)}, lim)
		}
		return []keyspace.Value{keyspace.NewSetValue(&set), keyspace.NewSetValue(&numbers), keyspace.NewHashValue(&hash),
			keyspace.NewZSetValue(&zset), keyspace.NewListValue(&list)}
	}
	a, b, other := values(&small, "x", "y", "z"), values(&large, "z", "x", "y"), values(&small, "x", "y", "w")
	longer := keyspace.NewListValue(&keyspace.List{})
	longer.List().PushRight([]byte("ab"), &small)
	split := keyspace.NewListValue(&keyspace.List{})
	split.List().PushRight([]byte("a"), &small)
	split.List().PushRight([]byte("b"), &small)
	seen := map[digest]string{}
	distinct := func(name string, v keyspace.Value) {
		t.Helper()
		d := digestOf(&v)
		if twin := seen[d]; twin != "" {
			t.Errorf("%s has the digest of %s", name, twin)
		}
		seen[d] = name
	}
	for i := range a {
		if digestOf(&a[i]) != digestOf(&b[i]) {
			t.Errorf("%s %s and %s differ", a[i].Kind(), a[i].Encoding(), b[i].Encoding())
		}
		if a[i].Encoding() == b[i].Encoding() && i > 0 && i < 4 { // a set of texts and a list have one form
			t.Errorf("both are held as %s", a[i].Encoding())
		}
		distinct(a[i].Encoding(), a[i])
		if i < 4 {
			distinct("other "+a[i].Encoding(), other[i])
		}
	}
	one, text := keyspace.NewInt(12), keyspace.NewRawString([]byte("12"))
	if digestOf(&one) != digestOf(&text) {
		t.Error("12 as a number and as text differ")
	}
	distinct("12", one)
	distinct("empty", keyspace.NewText(nil))
	distinct("longer", longer)
	distinct("split", split)

	stream := func(change func(s *keyspace.Stream)) keyspace.Value {
		s := &keyspace.Stream{}
		s.Add(keyspace.StreamID{MS: 1}, [][]byte{[]byte("f"), []byte("v")}, &small)
		s.Add(keyspace.StreamID{MS: 2}, [][]byte{[]byte("f"), []byte("v")}, &small)
		g := s.CreateGroup([]byte("g"), keyspace.StreamID{MS: 1}, 1)
		c := g.CreateConsumer([]byte("c"), 1000)
		p := g.Assign(keyspace.StreamID{MS: 1}, c)
		p.Time, p.Count = 77, 3
		change(s)
		return keyspace.NewStreamValue(s)
	}
	same := stream(func(*keyspace.Stream) {})
	distinct("stream", same)
	seen1 := stream(func(s *keyspace.Stream) { s.Group([]byte("g")).Consumer([]byte("c")).Seen = 5 })
	if digestOf(&same) != digestOf(&seen1) {
		t.Error("the time at which a consumer was seen makes a difference")
	}
	for name, change := range map[string]func(s *keyspace.Stream){
		"deleted":    func(s *keyspace.Stream) { s.Delete(keyspace.StreamID{MS: 2}) },
		"last":       func(s *keyspace.Stream) { s.SetLastID(keyspace.StreamID{MS: 9}) },
		"added":      func(s *keyspace.Stream) { s.SetAdded(9) },
		"acked":      func(s *keyspace.Stream) { s.Group([]byte("g")).Ack(keyspace.StreamID{MS: 1}) },
		"read":       func(s *keyspace.Stream) { s.Group([]byte("g")).Read = 2 },
		"group":      func(s *keyspace.Stream) { s.CreateGroup([]byte("h"), keyspace.StreamID{}, 0) },
		"consumer":   func(s *keyspace.Stream) { s.Group([]byte("g")).CreateConsumer([]byte("d"), 1000) },
		"deliveries": func(s *keyspace.Stream) { s.Group([]byte("g")).Find(keyspace.StreamID{MS: 1}).Count++ },
	} {
		distinct(name, stream(change))
	}
}

// TestTally: the checksum of a file is found right however it comes, and a changed one isn't.
func TestTally(t *testing.T) {
	var e rdb.Encoder
	e.Header()
	e.Aux("a", strings.Repeat("b", 300))
	var file bytes.Buffer
	w := rdb.NewWriter(&file)
	if _, err := w.Write(e.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	whole := file.Bytes()
	for _, r := range []io.Reader{bytes.NewReader(whole), iotest.OneByteReader(bytes.NewReader(whole)), iotest.HalfReader(bytes.NewReader(whole))} {
		got := &tally{}
		if _, err := io.Copy(onlyWriter{got}, r); err != nil || !got.sound() || got.n != int64(len(whole)) {
			t.Errorf("%v: %d bytes, sound: %v", err, got.n, got.sound())
		}
	}
	for i := range whole {
		damaged := append([]byte{}, whole...)
		damaged[i] ^= 4
		got := &tally{}
		if _, _ = got.Write(damaged); got.sound() {
			t.Errorf("byte %d is another one", i)
		}
	}
}

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out)
	p.begin("restore", 4000)
	for range 1000 {
		p.add(1, 0)
	}
	if out.Len() > 0 {
		t.Errorf("in no time at all: %q", out.String())
	}
	p.last = time.Time{}
	p.add(1000, 0)
	if got := out.String(); !strings.HasPrefix(got, "restore:  50% of 4000 B, ") || strings.Count(got, "\n") != 1 {
		t.Errorf("a line: %q", got)
	}
	p.end()
	out.Reset()
	p = newProgress(&out)
	p.terminal = true
	p.begin("restore", 4000)
	p.last = time.Time{}
	p.add(1000, 0)
	p.add(3000, 0)
	p.end()
	if got := out.String(); !strings.HasPrefix(got, "\r\x1b[K[#######                       ] restore:  25% of 4000 B") || !strings.Contains(got, "] restore: 100%") {
		t.Errorf("a bar: %q", got)
	}
}
