package config

import (
	"path/filepath"
	"strings"
)

// Invocation is what a command line asks for.
type Invocation struct {
	// Version and Help: print that and end; nothing else is set.
	Version, Help bool
	// File is the absolute path of the configuration file, "" if none is named.
	File string
	// Stdin: configuration follows on standard input, after the file.
	Stdin bool
	// Options are the options as lines of a configuration file, to be read last.
	Options string
}

// ParseArgs reads a command line without the program's name:
//
//	[path/to/redis.conf] [-] [--directive value ...] [-]
//
// Source: redis-server 7.0. "--port 1", "--port" "1" and "--port 1 --loglevel
// debug" in one or several arguments all work; the argument after an option is
// its value even if it starts with "--", except after --save, where it may be
// left out for "no save points".
func ParseArgs(args []string) (Invocation, error) {
	var in Invocation
	if len(args) == 0 {
		return in, nil
	}
	switch args[0] {
	case "-v", "--version":
		return Invocation{Version: true}, nil
	case "-h", "--help":
		return Invocation{Help: true}, nil
	}
	rest := args
	if !strings.HasPrefix(args[0], "-") {
		path, err := filepath.Abs(args[0])
		if err != nil {
			return in, err
		}
		in.File = path
		rest = args[1:]
	}
	var b strings.Builder
	hasValue := true // the last option has at least one value
	for i, arg := range rest {
		first, last := i == 0 && in.File == "", i == len(rest)-1
		switch {
		case arg == "-" && (first || last):
			in.Stdin = true
		case hasValue && strings.HasPrefix(arg, "--"):
			if b.Len() > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(arg[2:])
			b.WriteByte(' ')
			words, err := Split(arg)
			hasValue = err != nil || len(words) != 1 // "--port 1" in one argument; bad quotes are found later
			if strings.EqualFold(arg, "--save") && (last || strings.HasPrefix(rest[i+1], "--")) {
				b.WriteString(`""`)
				hasValue = true
			}
		default:
			b.WriteString(Quote(arg))
			b.WriteByte(' ')
			hasValue = true
		}
	}
	in.Options = b.String()
	return in, nil
}
