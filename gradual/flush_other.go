//go:build !linux

package gradual

import "os"

func flush(f *os.File) error { return f.Sync() }
