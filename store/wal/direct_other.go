//go:build !linux

package wal

import (
	"errors"
	"os"
)

func openDirect(string) directFile { return nil }

func createDirect(string) (*os.File, error) { return nil, errors.ErrUnsupported }

func datasync(f *os.File) error { return f.Sync() }
