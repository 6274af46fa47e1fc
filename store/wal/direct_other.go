//go:build !linux

package wal

// directFlag is none: openDirect says that there is no such file.
const directFlag = 0

func openDirect(string) directFile { return nil }

// Datasync makes the content durable.
func (f osFile) Datasync() error { return f.Sync() }

// Forget implements file, where the system can't do it.
func (f osFile) Forget() error { return nil }
