package gradual

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := NewWriter(f)
	var want []byte
	for i := range 9 {
		b := bytes.Repeat([]byte{byte(i)}, Bytes/4+i)
		if n, err := w.Write(b); n != len(b) || err != nil {
			t.Fatalf("wrote %d: %v", n, err)
		}
		if want = append(want, b...); w.dirty >= Bytes {
			t.Fatalf("%d bytes aren't synced", w.dirty)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of %d: %v", len(got), len(want), err)
	}
	if err := w.Wrote(Bytes); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a sync that fails: %v", err)
	}
}
