package aof

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestReader(t *testing.T) {
	text := "#TS:1\r\n*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n*1\n$4\nPING\r\n"
	r := NewReader(strings.NewReader(text))
	for _, want := range []string{`["GET" "a\r\nb"]`, `["PING"]`} {
		args, err := r.Next()
		if got := fmt.Sprintf("%q", args); err != nil || got != want {
			t.Fatalf("%s %v, want %s", got, err, want)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) || r.Offset() != int64(len(text)) {
		t.Errorf("at the end: %v at %d", err, r.Offset())
	}
	for text, want := range map[string]error{
		"*1\r\n$4\r\nPIN":                      ErrTruncated,
		"*1\r\n$4\r\nPING\r":                   ErrTruncated,
		"*2\r\n$4\r\nPING\r\n":                 ErrTruncated,
		"*":                                    ErrTruncated,
		"*1\r\n$":                              ErrTruncated,
		"*1\r\nx":                              ErrFormat,
		"RED":                                  ErrFormat,
		"#TS":                                  io.EOF,
		"*0\r\n":                               ErrFormat,
		"*-1\r\n":                              ErrFormat,
		"PING\r\n":                             ErrFormat,
		"*1\r\n:1\r\n":                         ErrFormat,
		"*1\r\n$4\r\nPING12":                   ErrFormat,
		"*1\r\n$600000000\r\n":                 ErrFormat,
		"*99999999999\r\n":                     ErrFormat,
		"#" + strings.Repeat("x", 2000) + "\n": ErrFormat,
	} {
		if _, err := NewReader(strings.NewReader(text)).Next(); !errors.Is(err, want) {
			t.Errorf("%.40q: %v, want %v", text, err, want)
		}
	}
}

// TestReaderMemory: a length that a file only claims costs nothing.
func TestReaderMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		if _, err := NewReader(strings.NewReader("*1000000000\r\n$500000000\r\nshort")).Next(); !errors.Is(err, ErrTruncated) {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 100*(256<<10) {
		t.Errorf("%d bytes for 100 files of 30 bytes", n)
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("#TS:1\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$5\r\nMULTI\r\n"))
	f.Add([]byte("*1\r\n$-1\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := NewReader(bytes.NewReader(data))
		size := 0
		for {
			args, err := r.Next()
			if err != nil {
				break
			}
			for _, a := range args {
				size += len(a)
			}
			if size > len(data) || r.Offset() > int64(len(data)) || len(args) == 0 {
				t.Fatalf("%d bytes of arguments, offset %d, of %d", size, r.Offset(), len(data))
			}
		}
	})
}

// taken is a loader that writes down what it gets.
type taken struct {
	strings.Builder
	open bool
}

// RDB takes a file of nine bytes, and reads more, as a decoder does.
func (l *taken) RDB(r io.Reader) (int64, error) {
	b, err := io.ReadAll(r)
	if len(b) < 9 {
		err = io.ErrUnexpectedEOF
	}
	l.WriteString(string(b[:min(len(b), 9)]) + ";")
	return 9, err
}

func (l *taken) Command(args [][]byte) error {
	switch name := string(args[0]); name {
	case "bad":
		return errors.New("Unknown command 'bad'")
	case "MULTI", "EXEC":
		l.open = name == "MULTI"
	}
	l.Write(bytes.Join(args, []byte(" ")))
	l.WriteByte(';')
	return nil
}

func (l *taken) End() bool {
	was := l.open
	l.open = false
	return was
}

// logged keeps what goes into a log.
type logged struct{ strings.Builder }

func (l *logged) Info(text string, _ ...any) { l.WriteString(text + "\n") }
func (l *logged) Warn(text string, _ ...any) { l.WriteString(text + "\n") }

// words is a run of commands with no arguments.
func words(names ...string) string {
	var b strings.Builder
	for _, n := range names {
		fmt.Fprintf(&b, "*1\r\n$%d\r\n%s\r\n", len(n), n)
	}
	return b.String()
}

func TestLoad(t *testing.T) {
	for _, c := range []struct {
		name       string
		files      []string // base first
		truncated  bool
		want, fail string
	}{
		{"whole", []string{"REDIS0011", words("a", "b"), words("c")}, false, "REDIS0011;a;b;c;", ""},
		{"preamble", []string{"REDIS0009" + words("x", "y"), words("z")}, false, "REDIS0009;x;y;z;", ""},
		{"torn end behind a preamble", []string{"REDIS0009" + words("x") + "*1\r\n$3"}, true, "REDIS0009;x;", ""},
		{"torn preamble", []string{"REDIS"}, true, "REDIS;", "Error reading the RDB preamble of the AOF file f, AOF loading aborted: unexpected EOF"},
		{"torn base", []string{"x", "REDIS"}, true, "", "Bad file format reading the append only file DIR/f1 at offset 0"},
		{"base of commands", []string{words("x"), words("y")}, false, "x;y;", ""},
		{"torn end", []string{words("x"), words("y") + "*1\r\n$3"}, true, "x;y;", ""},
		{"torn end, forbidden", []string{words("x"), words("y") + "*1\r\n$3"}, false, "x;y;",
			"Unexpected end of file reading the append only file DIR/f2 at offset 11. You can: 1) Make a backup of your AOF file, then use ./redis-check-aof --fix <filename.manifest>. " +
				"2) Alternatively you can set the 'aof-load-truncated' configuration option to yes and restart the server."},
		{"unfinished transaction", []string{words("x"), words("y", "MULTI", "z")}, false, "x;y;MULTI;z;", "Unexpected end of file reading the append only file DIR/f2 at offset 11."},
		{"unfinished transaction, allowed", []string{words("x"), words("y", "MULTI", "z")}, true, "x;y;MULTI;z;", ""},
		{"torn middle", []string{words("x"), words("y") + "*1\r\n$3", words("z")}, true, "x;y;", "the truncated file is not the last file"},
		{"damage", []string{words("x"), words("y") + "what\r\n" + words("z")}, true, "x;y;",
			"Bad file format reading the append only file DIR/f2 at offset 11: make a backup of your AOF file, then use ./redis-check-aof --fix <filename.manifest>"},
		{"unknown", []string{words("x"), words("y", "bad")}, true, "x;y;", "Unknown command 'bad' reading the append only file DIR/f2 at offset 11"},
	} {
		d := Dir{Path: t.TempDir(), Name: "f"}
		m := &Manifest{}
		for i, text := range c.files {
			f := File{Name: fmt.Sprintf("f%d", i+1), Seq: int64(i + 1), Kind: Increment}
			if i == 0 && strings.Contains(c.name, "preamble") {
				f.Name = d.Name
			}
			if err := os.WriteFile(filepath.Join(d.Path, f.Name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				m.Base = &f
			} else {
				m.Increments = append(m.Increments, f)
			}
		}
		if err := d.WriteManifest(m); err != nil {
			t.Fatal(err)
		}
		m, err := d.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		var l taken
		var told logged
		err = d.Load(m, &l, c.truncated, &told)
		if l.String() != c.want {
			t.Errorf("%s: %s, want %s", c.name, l.String(), c.want)
		}
		fail := strings.ReplaceAll(c.fail, "DIR", d.Path)
		if c.fail == "" && err != nil || c.fail != "" && (err == nil || !strings.Contains(err.Error(), fail)) {
			t.Errorf("%s: %v, want %s", c.name, err, fail)
		}
		at := "offset 11"
		if strings.Contains(c.name, "behind a preamble") {
			at = "offset 20"
		}
		if torn := strings.Contains(c.name, "torn end") || strings.Contains(c.name, "allowed"); torn && c.fail == "" && !strings.Contains(told.String(), at) {
			t.Errorf("%s: told %q", c.name, told.String())
		}
	}
	if m, err := (Dir{Path: t.TempDir(), Name: "f"}).Manifest(); m != nil || err != nil {
		t.Errorf("a manifest that isn't there: %v %v", m, err)
	}
}
