package transport

import (
	"strings"

	"github.com/quorate/quorate/command"
)

// commandDocs implements COMMAND DOCS [command-name ...].
func commandDocs(s *Session, args [][]byte) {
	nodes := s.srv.opts.Table.All()
	if len(args) > 2 {
		nodes = nil
		for _, a := range args[2:] {
			if n := named(s.srv.opts.Table, a); n != nil {
				nodes = append(nodes, n)
			}
		}
	}
	s.Map(len(nodes))
	for _, n := range nodes {
		s.docs(n)
	}
}

// docs writes a command's name and its documentation.
func (s *Session) docs(n *Node) {
	spec := n.Spec
	s.BulkString(spec.FullName())
	args := documented(spec)
	subs := Subcommands(n)
	fields := 0
	for _, present := range []bool{spec.Summary != "", spec.Since != "", spec.Group != "", spec.Complexity != "", len(args) > 0, len(subs) > 0} {
		if present {
			fields++
		}
	}
	s.Map(fields)
	s.textField("summary", spec.Summary)
	s.textField("since", spec.Since)
	s.textField("group", spec.Group)
	s.textField("complexity", spec.Complexity)
	if len(args) > 0 {
		s.BulkString("arguments")
		s.arguments(args, &keyIndexes{spec: spec})
	}
	if len(subs) > 0 {
		s.BulkString("subcommands")
		s.Map(len(subs))
		for _, sub := range subs {
			s.docs(sub)
		}
	}
}

func (s *Session) textField(name, text string) {
	if text != "" {
		s.BulkString(name)
		s.BulkString(text)
	}
}

// keyIndexes hands out key_spec_index: the keys of the syntax in their order
// belong to the key specifications in theirs.
type keyIndexes struct {
	spec *command.Spec
	next int
}

func (k *keyIndexes) take() int {
	i := min(k.next, len(k.spec.Keys)-1)
	k.next++
	return i
}

func (s *Session) arguments(args []argument, keys *keyIndexes) {
	s.Array(len(args))
	for i := range args {
		s.argument(&args[i], keys)
	}
}

func (s *Session) argument(a *argument, keys *keyIndexes) {
	var flags []string
	for _, f := range []struct {
		on   bool
		name string
	}{{a.optional, "optional"}, {a.multiple, "multiple"}, {a.multipleToken, "multiple_token"}} {
		if f.on {
			flags = append(flags, f.name)
		}
	}
	isKey := a.kind == "key" && len(keys.spec.Keys) > 0
	fields := 2
	for _, present := range []bool{isKey, a.token != "", flags != nil, a.children != nil} {
		if present {
			fields++
		}
	}
	s.Map(fields)
	s.textField("name", a.name)
	s.textField("type", a.kind)
	if isKey {
		s.BulkString("key_spec_index")
		s.Int(int64(keys.take()))
	}
	s.textField("token", a.token)
	if flags != nil {
		s.BulkString("flags")
		s.statusSet("", flags)
	}
	if a.children != nil {
		s.BulkString("arguments")
		s.arguments(a.children, keys)
	}
}

// documented parses a command's syntax and gives its values their types.
func documented(spec *command.Spec) []argument {
	args := parseSyntax(spec.Syntax)
	typed(args, spec)
	return args
}

func typed(args []argument, spec *command.Spec) {
	for i := range args {
		if args[i].children != nil {
			typed(args[i].children, spec)
		} else if args[i].kind == "string" {
			args[i].kind = valueType(args[i].name, spec)
		}
	}
}

// valueType returns the type of a value by its name, which the notation doesn't
// say. The docs of Redis 7.0 use the names below in one sense almost everywhere.
func valueType(name string, spec *command.Spec) string {
	switch full := spec.FullName(); {
	case name == "increment" && strings.Contains(full, "float"):
		return "double"
	case (name == "min" || name == "max") && (full == "zcount" || strings.Contains(full, "byscore")):
		return "double"
	case name == "min-idle-time" && full == "xpending":
		return "integer"
	case name == "timeout" && (full == "wait" || strings.HasPrefix(full, "client|") || full == "migrate"):
		return "integer"
	case (name == "start" || name == "end" || name == "stop") && (strings.HasPrefix(full, "x") || strings.HasPrefix(full, "zrange")):
		return "string"
	}
	for kind, names := range valueTypes {
		for _, n := range names {
			if n == name {
				return kind
			}
		}
	}
	return "string"
}

var valueTypes = map[string][]string{
	"key":       {"key", "key1", "key2", "destination", "destkey", "dst", "newkey", "source", "sourcekey", "src"},
	"pattern":   {"pattern"},
	"unix-time": {"unix-time-seconds", "unix-time-milliseconds"},
	"double":    {"height", "latitude", "longitude", "radius", "score", "timeout", "width"},
	"integer": {"bit", "bits", "client-id", "count", "cursor", "db", "decrement", "destination-db", "end", "end-slot",
		"entries_added", "entries_read", "frequency", "increment", "index", "index1", "index2", "len", "limit", "milliseconds",
		"ms", "num-matches", "numkeys", "numreplicas", "offset", "port", "protover", "rank", "seconds", "slot", "start",
		"start-slot", "stop", "ttl", "version", "weight"},
}
