package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// value is how a directive is parsed into a Settings and printed from it.
type value interface {
	// set parses args into s. While loading, a value may add to what earlier
	// lines gave; CONFIG SET replaces. On an error s may be half changed.
	set(s *Settings, args []string, loading bool) error
	// get prints the value as CONFIG GET does.
	get(s *Settings) string
	// lines prints the value as lines of a configuration file.
	lines(s *Settings, name string) []string
}

// scalar is a directive with exactly one argument.
type scalar[T any] struct {
	at     func(*Settings) *T
	parse  func(string) (T, error)
	format func(T) string
	file   func(T) string // form in a file; nil if as in format
}

func (v scalar[T]) set(s *Settings, args []string, _ bool) error {
	if len(args) != 1 {
		return errArgCount
	}
	parsed, err := v.parse(args[0])
	if err == nil {
		*v.at(s) = parsed
	}
	return err
}

func (v scalar[T]) get(s *Settings) string { return v.format(*v.at(s)) }

func (v scalar[T]) lines(s *Settings, name string) []string {
	form := v.format
	if v.file != nil {
		form = v.file
	}
	return []string{name + " " + form(*v.at(s))}
}

// Error texts of Redis 7.0 for single values.
var (
	errArgCount  = errors.New("wrong number of arguments")
	errNotBool   = errors.New("argument must be 'yes' or 'no'")
	errNotInt    = errors.New("argument couldn't be parsed into an integer")
	errNotMemory = errors.New("argument must be a memory value")
)

func boolean(at func(*Settings) *bool) value {
	return scalar[bool]{at: at, parse: parseBool, format: formatBool}
}

func parseBool(arg string) (bool, error) {
	switch strings.ToLower(arg) {
	case "yes":
		return true, nil
	case "no":
		return false, nil
	}
	return false, errNotBool
}

func formatBool(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// integer is a number from min to max, both included.
func integer(min, max int64, at func(*Settings) *int64) value {
	return scalar[int64]{at: at, parse: intParser(min, max), format: formatInt}
}

func intParser(min, max int64) func(string) (int64, error) {
	return func(arg string) (int64, error) {
		n, err := strconv.ParseInt(arg, 10, 64)
		if err != nil || strconv.FormatInt(n, 10) != arg { // Redis takes no "+5", "05", "-0" or " 5"
			return 0, errNotInt
		}
		if n < min || n > max {
			return 0, rangeError(min, max)
		}
		return n, nil
	}
}

func rangeError(min, max int64) error {
	return fmt.Errorf("argument must be between %d and %d inclusive", min, max)
}

func formatInt(n int64) string { return strconv.FormatInt(n, 10) }

// memory is a number of bytes with an optional unit: b, k, kb, m, mb, g, gb in
// any case, where k is 1000 and kb is 1024.
func memory(min, max int64, at func(*Settings) *int64) value {
	return scalar[int64]{at: at, parse: memoryParser(min, max), format: formatInt, file: formatMemory}
}

func memoryParser(min, max int64) func(string) (int64, error) {
	return func(arg string) (int64, error) {
		arg, _, _ = strings.Cut(arg, "\x00") // a text of C in Redis
		n, err := ParseMemory(arg)
		if errors.Is(err, strconv.ErrRange) || err == nil && (n < min || n > max) {
			return 0, rangeError(min, max)
		}
		return n, err
	}
}

// ParseMemory returns the bytes of a size such as directives take: "100", "64mb".
// It returns an error wrapping strconv.ErrRange if arg is well formed but above an int64.
func ParseMemory(arg string) (int64, error) {
	digits := strings.TrimLeft(arg, "0123456789")
	number, unit := arg[:len(arg)-len(digits)], strings.ToLower(digits)
	factor, ok := memoryUnits[unit]
	if !ok {
		return 0, errNotMemory
	}
	if number == "" {
		return 0, nil // as in Redis: "" and "kb" are 0
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0, err // only digits, so it can only be out of range
	}
	if n > (1<<63-1)/factor {
		return 0, strconv.ErrRange
	}
	return n * factor, nil
}

var memoryUnits = map[string]int64{
	"": 1, "b": 1,
	"k": 1000, "kb": 1 << 10,
	"m": 1000 * 1000, "mb": 1 << 20,
	"g": 1000 * 1000 * 1000, "gb": 1 << 30,
}

// formatMemory uses the largest unit that divides n, as CONFIG REWRITE does.
func formatMemory(n int64) string {
	for _, unit := range []string{"gb", "mb", "kb"} {
		if f := memoryUnits[unit]; n > 0 && n%f == 0 {
			return formatInt(n/f) + unit
		}
	}
	return formatInt(n)
}

// enum is one of a list of words, in any case.
func enum(at func(*Settings) *string, words ...string) value {
	return scalar[string]{at: at, parse: enumParser(words...), format: asIs}
}

func enumParser(words ...string) func(string) (string, error) {
	return func(arg string) (string, error) {
		for _, w := range words {
			if strings.EqualFold(arg, w) {
				return w, nil
			}
		}
		return "", fmt.Errorf("argument(s) must be one of the following: %s", strings.Join(words, ", "))
	}
}

func text(at func(*Settings) *string) value {
	return scalar[string]{at: at, parse: anyText, format: asIs, file: Quote}
}

func anyText(arg string) (string, error) { return arg, nil }

func asIs(s string) string { return s }

// fileName is a name without a directory.
func fileName(directive string, at func(*Settings) *string) value {
	parse := func(arg string) (string, error) {
		if strings.ContainsAny(arg, "/\x00") || arg == "." || arg == ".." {
			return "", fmt.Errorf("%s can't be a path, just a filename", directive)
		}
		return arg, nil
	}
	return scalar[string]{at: at, parse: parse, format: asIs, file: Quote}
}

// namePart is a name of a kind of file, which is part of others or below a directory: it
// can't be empty either.
func namePart(directive, kind string, at func(*Settings) *string) value {
	parse := func(arg string) (string, error) {
		switch {
		case arg == "":
			return "", fmt.Errorf("%s can't be empty", directive)
		case strings.ContainsAny(arg, "/\\\x00") || arg == "." || arg == "..":
			return "", fmt.Errorf("%s can't be a path, just a %s", directive, kind)
		}
		return arg, nil
	}
	return scalar[string]{at: at, parse: parse, format: asIs, file: Quote}
}

// directory is a directory that exists, kept as an absolute path. For CONFIG SET a
// relative one begins where the old one is, as in Redis, which is there.
type directory struct{}

func (directory) set(s *Settings, args []string, loading bool) error {
	if len(args) != 1 {
		return errArgCount
	}
	path := args[0]
	if !loading && !filepath.IsAbs(path) {
		path = filepath.Join(s.Dir, path)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err == nil && args[0] == "" {
		err = syscall.ENOENT // what chdir says
	}
	if err != nil {
		return errors.New(osReason(err))
	}
	if !info.IsDir() {
		return errors.New("Not a directory")
	}
	data := ""
	if !loading {
		data = s.DataPath()
	}
	if s.Dir = path; !loading {
		s.keepDataPath(data)
	}
	return nil
}

func (directory) get(s *Settings) string { return s.Dir }

func (directory) lines(s *Settings, name string) []string { return []string{name + " " + Quote(s.Dir)} }

// osReason is the operating system's text for err as C programs print it:
// without operation and path, and with a capital.
func osReason(err error) string {
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	reason := err.Error()
	if reason == "" {
		return "unknown error"
	}
	return strings.ToUpper(reason[:1]) + reason[1:]
}
