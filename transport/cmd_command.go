package transport

import (
	"bytes"
	"strings"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/glob"
)

func commandCommand() *Command {
	const flags = command.Loading | command.Stale
	sub := func(name string, arity int, since, summary, syntax string, run func(*Session, [][]byte)) *Command {
		return &Command{Run: run, Pure: true, Spec: command.Spec{Name: name, Arity: arity, Flags: flags,
			ACL: command.Connection, Group: "server", Since: since, Summary: summary, Syntax: syntax, Complexity: "O(1)"}}
	}
	info := sub("INFO", -2, "2.8.13", "Describes commands.", "[command-name [command-name ...]]", commandInfo)
	docs := sub("DOCS", -2, "7.0.0", "Documents commands.", "[command-name [command-name ...]]", commandDocs)
	list := sub("LIST", -2, "7.0.0", "Lists the names of commands.",
		"[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]", commandList)
	info.Complexity = "O(N) where N is the number of commands to look up"
	docs.Complexity = info.Complexity
	list.Complexity = "O(N) where N is the total number of commands"
	unordered := []string{"nondeterministic_output_order"}
	info.Tips, docs.Tips, list.Tips = unordered, unordered, unordered
	keys := sub("GETKEYS", -4, "2.8.13", "Finds the keys in a full command.", "", commandGetKeys)
	keysAndFlags := sub("GETKEYSANDFLAGS", -4, "7.0.0", "Finds the keys in a full command and what happens to them.", "", commandGetKeysAndFlags)
	keys.Complexity = "O(N) where N is the number of arguments to the command"
	keysAndFlags.Complexity = keys.Complexity
	return &Command{
		Run: commandAll, Pure: true,
		Spec: command.Spec{Name: "COMMAND", Arity: -1, Flags: flags, ACL: command.Connection, Group: "server",
			Since: "2.8.13", Summary: "Describes all commands.", Complexity: list.Complexity, Tips: unordered},
		Sub: []*Command{
			sub("COUNT", 2, "2.8.13", "Counts the commands.", "",
				func(s *Session, _ [][]byte) { s.Int(int64(len(s.srv.opts.Table.All()))) }),
			info, docs, list, keys, keysAndFlags,
			sub("HELP", 2, "5.0.0", "Explains the subcommands.", "",
				func(s *Session, _ [][]byte) { s.Help("COMMAND", commandHelp) }),
		},
	}
}

var commandHelp = []string{
	"(no subcommand)",
	"    Describe all commands.",
	"COUNT",
	"    Count the commands.",
	"LIST [FILTERBY (MODULE <name>|ACLCAT <category>|PATTERN <pattern>)]",
	"    List the names of commands.",
	"INFO [<command-name> ...]",
	"    Describe some commands, or all.",
	"DOCS [<command-name> ...]",
	"    Document some commands, or all.",
	"GETKEYS <full-command>",
	"    Return the keys in a command.",
	"GETKEYSANDFLAGS <full-command>",
	"    Return the keys in a command and their access flags.",
}

// commandAll implements COMMAND without arguments.
func commandAll(s *Session, _ [][]byte) {
	all := s.srv.opts.Table.All()
	s.Array(len(all))
	for _, n := range all {
		s.commandInfo(n)
	}
}

// named finds a command by a name such as COMMAND INFO takes: "get" or
// "client|list". It returns nil for unknown names.
func named(t *Table, name []byte) *Node {
	first, second, isSub := bytes.Cut(name, []byte("|"))
	n := t.Find(first)
	if n == nil || !isSub {
		return n
	}
	return n.Sub(second)
}

// commandInfo implements COMMAND INFO [command-name ...].
func commandInfo(s *Session, args [][]byte) {
	if len(args) == 2 {
		commandAll(s, args)
		return
	}
	s.Array(len(args) - 2)
	for _, a := range args[2:] {
		if n := named(s.srv.opts.Table, a); n != nil {
			s.commandInfo(n)
		} else {
			s.Null()
		}
	}
}

func (s *Session) commandInfo(n *Node) {
	spec := n.Spec
	s.Array(10)
	s.BulkString(spec.FullName())
	s.Int(int64(spec.Arity))
	s.statusSet("", spec.Flags.Names())
	first, last, step := spec.LegacyRange()
	s.Int(int64(first))
	s.Int(int64(last))
	s.Int(int64(step))
	s.statusSet("@", spec.Categories().Names())
	s.Set(len(spec.Tips))
	for _, t := range spec.Tips {
		s.BulkString(t)
	}
	s.Set(len(spec.Keys))
	for i := range spec.Keys {
		s.keySpec(&spec.Keys[i])
	}
	subs := Subcommands(n)
	if len(subs) == 0 {
		s.Set(0)
		return
	}
	s.Array(len(subs))
	for _, sub := range subs {
		s.commandInfo(sub)
	}
}

func (s *Session) statusSet(prefix string, names []string) {
	s.Set(len(names))
	for _, name := range names {
		s.Simple(prefix + name)
	}
}

// keySpec describes one key specification as COMMAND INFO does.
func (s *Session) keySpec(k *command.KeySpec) {
	pair := func(name string, value int) {
		s.BulkString(name)
		s.Int(int64(value))
	}
	typed := func(name, kind string, fields int) {
		s.BulkString(name)
		s.Map(2)
		s.BulkString("type")
		s.BulkString(kind)
		s.BulkString("spec")
		s.Map(fields)
	}
	if k.Notes != "" {
		s.Map(4)
		s.BulkString("notes")
		s.BulkString(k.Notes)
	} else {
		s.Map(3)
	}
	s.BulkString("flags")
	s.statusSet("", k.Flags.Names())
	if k.Unknown {
		typed("begin_search", "unknown", 0)
		typed("find_keys", "unknown", 0)
		return
	}
	if k.Keyword == "" {
		typed("begin_search", "index", 1)
		pair("index", k.Pos)
	} else {
		typed("begin_search", "keyword", 2)
		s.BulkString("keyword")
		s.BulkString(k.Keyword)
		pair("startfrom", k.Pos)
	}
	if k.NumKeys {
		typed("find_keys", "keynum", 3)
		pair("keynumidx", k.NumPos)
		pair("firstkey", k.FirstKey)
		pair("keystep", max(k.Step, 1))
		return
	}
	typed("find_keys", "range", 3)
	pair("lastkey", k.Last)
	pair("keystep", max(k.Step, 1))
	pair("limit", k.Limit)
}

// commandList implements COMMAND LIST [FILTERBY MODULE|ACLCAT|PATTERN x].
func commandList(s *Session, args [][]byte) {
	keep := func(*Node) bool { return true }
	switch {
	case len(args) == 2:
	case len(args) == 5 && bytes.EqualFold(args[2], []byte("FILTERBY")):
		arg := string(args[4])
		switch strings.ToUpper(string(args[3])) {
		case "MODULE":
			keep = func(*Node) bool { return false }
		case "ACLCAT":
			keep = func(n *Node) bool {
				for _, c := range n.Spec.Categories().Names() {
					if strings.EqualFold(c, arg) {
						return true
					}
				}
				return false
			}
		case "PATTERN":
			keep = func(n *Node) bool { return glob.Match([]byte(arg), []byte(n.Spec.FullName()), true) }
		default:
			s.Error(errSyntax)
			return
		}
	default:
		s.Error(errSyntax)
		return
	}
	var found []string
	for _, n := range s.srv.opts.Table.All() {
		if keep(n) {
			found = append(found, n.Spec.FullName())
		}
		for _, sub := range Subcommands(n) {
			if keep(sub) {
				found = append(found, sub.Spec.FullName())
			}
		}
	}
	s.Array(len(found))
	for _, name := range found {
		s.BulkString(name)
	}
}

// inner resolves the command that COMMAND GETKEYS is asked about.
func (s *Session) inner(args [][]byte) (*Node, bool) {
	n := s.srv.opts.Table.Find(args[0])
	if n != nil && n.IsContainer() && len(args) > 1 {
		n = n.Sub(args[1])
	}
	switch {
	case n == nil:
		s.Error("ERR Invalid command specified")
	case len(n.Spec.Keys) == 0 && n.Spec.Extract == nil:
		s.Error("ERR The command has no key arguments")
	case !n.Spec.ArityOK(len(args)):
		s.Error("ERR Invalid number of arguments specified for command")
	default:
		return n, true
	}
	return nil, false
}

const errNoKeys = "ERR Invalid arguments specified for command"

// commandGetKeys implements COMMAND GETKEYS full-command.
func commandGetKeys(s *Session, args [][]byte) {
	args = args[2:]
	n, ok := s.inner(args)
	if !ok {
		return
	}
	keys, ok := n.Spec.AppendKeys(nil, args)
	if !ok {
		keys = nil
	}
	if len(keys) == 0 && !n.Spec.Flags.Has(command.NoMandatoryKeys) {
		s.Error(errNoKeys)
		return
	}
	s.Array(len(keys))
	for _, k := range keys {
		s.Bulk(args[k])
	}
}

// commandGetKeysAndFlags implements COMMAND GETKEYSANDFLAGS full-command.
func commandGetKeysAndFlags(s *Session, args [][]byte) {
	args = args[2:]
	n, ok := s.inner(args)
	if !ok {
		return
	}
	all, ok := n.Spec.AppendKeyUses(nil, args)
	if !ok {
		all = nil
	}
	if len(all) == 0 && !n.Spec.Flags.Has(command.NoMandatoryKeys) {
		s.Error(errNoKeys)
		return
	}
	s.Array(len(all))
	for _, k := range all {
		s.Array(2)
		s.Bulk(args[k.Index])
		s.statusSet("", keyFlags(n.Spec, args, k.Flags).Names())
	}
}

// keyFlags settles variable_flags by the arguments, as the key functions of
// redis-server 7.0.15 do for the two commands that its command table marks so.
func keyFlags(spec *command.Spec, args [][]byte, flags command.KeyFlags) command.KeyFlags {
	if flags&command.KeyVariableFlags == 0 {
		return flags
	}
	switch spec.Name {
	case "SET":
		for _, a := range args[3:] {
			if bytes.EqualFold(a, []byte("GET")) {
				return command.KeyRW | command.KeyAccess | command.KeyUpdate
			}
		}
		return command.KeyOW | command.KeyUpdate
	case "BITFIELD":
		for i := 2; i < len(args); {
			switch rest := len(args) - i; {
			case rest >= 3 && bytes.EqualFold(args[i], []byte("GET")):
				i += 3
			case rest >= 2 && bytes.EqualFold(args[i], []byte("OVERFLOW")):
				i += 2
			default: // a write, or not understood
				return command.KeyRW | command.KeyAccess | command.KeyUpdate
			}
		}
		return command.KeyRO | command.KeyAccess
	}
	return flags &^ command.KeyVariableFlags
}
