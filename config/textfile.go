package config

import (
	"errors"
	"io/fs"
	"os"
)

// ReadText reads a file that belongs to the configuration. An error has Redis's
// words for the reason alone.
func ReadText(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", errors.New(osReason(err))
	}
	return string(text), nil
}

// WriteText replaces such a file, atomically and synced. It keeps the file's mode;
// a new one is for its owner only.
func WriteText(path, text string) error {
	mode := fs.FileMode(0o600)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	return replaceFile(path, []byte(text), mode)
}
