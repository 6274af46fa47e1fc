package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// LoadError is an error in a line of the configuration, or, with Line 0, in the
// whole. Error prints it as redis-server does.
type LoadError struct {
	Version string
	File    string // the included file the line is in, "" for the main configuration
	Line    int    // counted from 1; options of the command line count on after the file
	Text    string // the line without surrounding white space
	Err     error
}

// Error implements error. The text has several lines.
func (e *LoadError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n*** FATAL CONFIG FILE ERROR (Quorate %s) ***\n", e.Version)
	if e.Line > 0 {
		fmt.Fprintf(&b, "Reading the configuration file, at line %d", e.Line)
		if e.File != "" {
			fmt.Fprintf(&b, " of '%s'", e.File)
		}
		fmt.Fprintf(&b, "\n>>> '%s'\n", e.Text)
	}
	return b.String() + e.Err.Error()
}

// Unwrap returns the cause.
func (e *LoadError) Unwrap() error { return e.Err }

// maxIncludeDepth stops a file that includes itself.
const maxIncludeDepth = 16

var (
	errBadDirective = errors.New("Bad directive or wrong number of arguments")
	errIncludeDepth = errors.New("Too many nested include files")
)

// Load builds the configuration: defaults, then the file and what it includes,
// then stdin if the command line has "-", then the options. The last one to set
// a directive wins. Errors are a *LoadError, or plain when a file can't be read.
func Load(in Invocation, stdin io.Reader, options Options) (*Config, error) {
	for _, name := range options.Supported {
		mustFind(name)
	}
	options.Supported = slices.Clone(options.Supported)
	defaults, err := defaultSettings()
	if err != nil {
		return nil, err
	}
	c := &Config{options: options, path: in.File, defaults: defaults}
	var content strings.Builder
	if in.File != "" {
		text, err := readFile(in.File)
		if err != nil {
			return nil, err
		}
		content.WriteString(text)
	}
	if in.Stdin {
		text, err := io.ReadAll(stdin)
		if err != nil {
			return nil, fmt.Errorf("read configuration from standard input: %w", err)
		}
		appendBlock(&content, string(text))
	}
	if in.Options != "" {
		content.WriteString("\n" + in.Options) // even after a line's end: errors count lines as in Redis
	}
	s, err := options.parse(content.String(), defaults)
	if err != nil {
		return nil, err
	}
	c.current.Store(s)
	return c, nil
}

// appendBlock starts text on a line of its own.
func appendBlock(b *strings.Builder, text string) {
	if text == "" {
		return
	}
	if b.Len() > 0 && !strings.HasSuffix(b.String(), "\n") {
		b.WriteByte('\n')
	}
	b.WriteString(text)
}

func readFile(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("Fatal error, can't open config file '%s': %s", path, osReason(err))
	}
	return string(text), nil
}

// parse reads a whole configuration on top of the defaults.
func (o *Options) parse(content string, defaults *Settings) (*Settings, error) {
	s := defaults.clone()
	l := loader{options: o, s: s, defaults: defaults}
	if err := l.lines(content, "", 0); err != nil {
		return nil, err
	}
	if err := s.validate(); err != nil {
		return nil, &LoadError{Version: o.Version, Err: err}
	}
	s.savesSeen = false
	return s, nil
}

type loader struct {
	options     *Options
	s, defaults *Settings
}

func (l *loader) lines(content, file string, depth int) error {
	for i, line := range strings.Split(content, "\n") {
		line = trimLine(line)
		if line == "" || line[0] == '#' {
			continue
		}
		err := l.line(line, depth)
		var inner *LoadError
		if errors.As(err, &inner) || errors.Is(err, errNotRead) {
			return err // it has its place already
		}
		if err != nil {
			return &LoadError{Version: l.options.Version, File: file, Line: i + 1, Text: line, Err: err}
		}
	}
	return nil
}

func trimLine(line string) string { return strings.Trim(line, " \t\r\n") }

// errNotRead marks errors about whole files, which have no line.
var errNotRead = errors.New("config file not read")

type fileError struct{ error }

func (fileError) Is(target error) bool { return target == errNotRead }

func (l *loader) line(line string, depth int) error {
	words, err := Split(line)
	if err != nil {
		return err
	}
	if len(words) == 0 { // only \v or \f
		return nil
	}
	name, args := strings.ToLower(words[0]), words[1:]
	d := byName[name]
	switch {
	case name == "include" && len(args) == 1:
		return l.include(args[0], depth+1)
	case d == nil:
		return errBadDirective
	case d.flags&multi == 0 && len(args) != 1:
		return errArgCount
	case d.flags&multi != 0 && len(args) == 1 && args[0] != "":
		if args, err = Split(args[0]); err != nil {
			return err
		}
	}
	return l.options.assign(d, l.s, l.defaults, args, true)
}

// include reads the files that match pattern, a path or a glob pattern, which
// may match nothing. Relative paths start in the working directory of the process.
func (l *loader) include(pattern string, depth int) error {
	if depth > maxIncludeDepth {
		return errIncludeDepth
	}
	paths := []string{pattern}
	if strings.ContainsAny(pattern, "*?[") {
		var err error
		if paths, err = filepath.Glob(pattern); err != nil {
			return err
		}
	}
	for _, path := range paths {
		content, err := readFile(path)
		if err != nil {
			return fileError{err}
		}
		if err := l.lines(content, path, depth); err != nil {
			return err
		}
	}
	return nil
}
