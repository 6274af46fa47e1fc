package aof

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestManifest(t *testing.T) {
	text := "file appendonly.aof.2.base.rdb seq 2 type b\n" +
		"file \"old one.1.base.rdb\" seq 1 type h\n" +
		"file appendonly.aof.3.incr.aof seq 3 type i\n" +
		"file appendonly.aof.5.incr.aof seq 5 type i\n"
	m, err := ParseManifest(strings.NewReader("# a comment\n" + text))
	if err != nil {
		t.Fatal(err)
	}
	want := &Manifest{
		Base:       &File{"appendonly.aof.2.base.rdb", 2, Base},
		History:    []File{{"old one.1.base.rdb", 1, History}},
		Increments: []File{{"appendonly.aof.3.incr.aof", 3, Increment}, {"appendonly.aof.5.incr.aof", 5, Increment}},
	}
	if !reflect.DeepEqual(m, want) {
		t.Errorf("%+v, want %+v", m, want)
	}
	if got := string(m.Format()); got != text {
		t.Errorf("formatted:\n%s", got)
	}
	if b, i := m.nextBase("x"), m.nextIncrement("x"); b != (File{"x.3.base.rdb", 3, Base}) || i != (File{"x.6.incr.aof", 6, Increment}) {
		t.Errorf("next: %v and %v", b, i)
	}
}

// TestManifestErrors has the texts of Redis 7.0.15.
func TestManifestErrors(t *testing.T) {
	for text, want := range map[string]string{
		"": "Found an empty AOF manifest",
		"file a seq 1 type b\nfile b seq 2 type b\n": "Found duplicate base file information",
		"file a seq 2 type i\nfile b seq 2 type i\n": "Found a non-monotonic sequence number",
		"file a seq 1 type x\n":                      "Unknown AOF file type",
		"file ../a seq 1 type b\n":                   "File can't be a path, just a filename",
		"file a seq 1\n":                             "Invalid AOF manifest file format",
		"file a seq 1 type b more\n":                 "Invalid AOF manifest file format",
		"\n":                                         "Invalid AOF manifest file format",
		"file a seq x type b\n":                      "Invalid AOF manifest file format",
		"file \"a seq 1 type b\n":                    "Invalid AOF manifest file format",
		"file a seq 1 type b":                        "The AOF manifest file contains too long line",
		strings.Repeat("a", 2000) + "\n":             "The AOF manifest file contains too long line",
		"file a seq 0 type b\n":                      "Invalid AOF manifest file format",
	} {
		_, err := ParseManifest(strings.NewReader(text))
		var bad *ManifestError
		if !errors.As(err, &bad) || bad.What != want {
			t.Errorf("%.40q: %v, want %s", text, err, want)
		}
	}
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte("file appendonly.aof.1.base.rdb seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n"))
	f.Add([]byte("# c\nfile \"a b\" seq 3 type h\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseManifest(strings.NewReader(string(data)))
		if err != nil {
			return
		}
		again, err := ParseManifest(strings.NewReader(string(m.Format())))
		if len(m.Format()) == 0 { // comments only
			return
		}
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Errorf("%q: %+v comes back as %+v, %v", data, m, again, err)
		}
	})
}
