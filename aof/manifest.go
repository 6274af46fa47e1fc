package aof

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/quorate/quorate/config"
)

// Kind tells what a file of the directory is.
type Kind byte

// The kinds, as the manifest writes them.
const (
	Base      Kind = 'b' // all data at one moment, an RDB file or commands
	Increment Kind = 'i' // commands behind the base and the increments before it
	History   Kind = 'h' // not needed any more, to be deleted
)

// File is a line of the manifest.
type File struct {
	Name string
	Seq  int64 // rises with each file of a kind
	Kind Kind
}

// Manifest says which files make up the data, in the order in which they are loaded.
type Manifest struct {
	Base       *File // nil: there is none
	Increments []File
	History    []File
}

// ManifestError says why a manifest can't be read, in Redis's words.
type ManifestError struct {
	Line int // 0: it is about no line
	Text string
	What string
}

// Error implements error.
func (e *ManifestError) Error() string {
	if e.Line == 0 {
		return e.What
	}
	return fmt.Sprintf("Reading the manifest file, at line %d: '%s': %s", e.Line, e.Text, e.What)
}

// maxLine is the longest line of a manifest and the longest annotation between
// commands, as in Redis.
const maxLine = 1024

// ParseManifest reads a manifest.
//
// Source: Redis 7.0, the format of appendonly.aof.manifest and the texts of errors.
func ParseManifest(r io.Reader) (*Manifest, error) {
	m := &Manifest{}
	in := bufio.NewReaderSize(r, maxLine+1)
	last := int64(0) // sequence of the increments
	for n := 1; ; n++ {
		line, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF) && len(line) == 0 && n == 1:
			return nil, &ManifestError{What: "Found an empty AOF manifest"}
		case errors.Is(err, io.EOF) && len(line) == 0:
			return m, nil
		case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("Read AOF manifest failed: %w", err)
		}
		text := strings.Trim(string(line), " \t\r\n")
		bad := func(what string) error { return &ManifestError{Line: n, Text: text, What: what} }
		if line[0] == '#' && err == nil {
			continue
		}
		if err != nil {
			return nil, bad("The AOF manifest file contains too long line")
		}
		f, what := parseLine(text)
		switch {
		case what != "":
			return nil, bad(what)
		case f.Kind == Base && m.Base != nil:
			return nil, bad("Found duplicate base file information")
		case f.Kind == Base:
			m.Base = &f
		case f.Kind == History:
			m.History = append(m.History, f)
		case f.Kind != Increment:
			return nil, bad("Unknown AOF file type")
		case f.Seq <= last:
			return nil, bad("Found a non-monotonic sequence number")
		default:
			last = f.Seq
			m.Increments = append(m.Increments, f)
		}
	}
}

const badFormat = "Invalid AOF manifest file format"

func parseLine(line string) (f File, what string) {
	words, err := config.Split(line)
	if err != nil || len(words) < 6 || len(words)%2 != 0 {
		return f, badFormat
	}
	for i := 0; i < len(words); i += 2 {
		switch value := words[i+1]; strings.ToLower(words[i]) {
		case "file":
			if strings.ContainsAny(value, "/\x00") || value == "." || value == ".." {
				return f, "File can't be a path, just a filename"
			}
			f.Name = value
		case "seq":
			if f.Seq, err = strconv.ParseInt(value, 10, 64); err != nil || f.Seq < 0 {
				return f, badFormat
			}
		case "type":
			if value == "" {
				return f, badFormat
			}
			f.Kind = Kind(value[0])
		}
	}
	if f.Name == "" || f.Seq == 0 || f.Kind == 0 {
		return f, badFormat
	}
	return f, ""
}

// NewManifest returns that of a directory that begins: a base and an increment.
func NewManifest(name string) *Manifest {
	m := &Manifest{}
	base := m.nextBase(name)
	m.Base, m.Increments = &base, []File{m.nextIncrement(name)}
	return m
}

// Format returns the text of the manifest.
func (m *Manifest) Format() []byte {
	var b bytes.Buffer
	line := func(f File) {
		name := f.Name
		if words, err := config.Split(name); err != nil || len(words) != 1 || words[0] != name {
			name = config.Quote(name)
		}
		fmt.Fprintf(&b, "file %s seq %d type %c\n", name, f.Seq, f.Kind)
	}
	if m.Base != nil {
		line(*m.Base)
	}
	for _, f := range m.History {
		line(f)
	}
	for _, f := range m.Increments {
		line(f)
	}
	return b.Bytes()
}

// Files returns what has to be loaded, in this order.
func (m *Manifest) Files() []File {
	var out []File
	if m.Base != nil {
		out = append(out, *m.Base)
	}
	return append(out, m.Increments...)
}

// nextBase returns the name of a base that follows this manifest's.
func (m *Manifest) nextBase(name string) File {
	seq := int64(1)
	if m.Base != nil {
		seq = m.Base.Seq + 1
	}
	return File{Name: fmt.Sprintf("%s.%d.base.rdb", name, seq), Seq: seq, Kind: Base}
}

// nextIncrement likewise.
func (m *Manifest) nextIncrement(name string) File {
	seq := int64(1)
	if n := len(m.Increments); n > 0 {
		seq = m.Increments[n-1].Seq + 1
	}
	return File{Name: fmt.Sprintf("%s.%d.incr.aof", name, seq), Seq: seq, Kind: Increment}
}
