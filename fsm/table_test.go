package fsm

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/quorate/quorate/command"
)

// everyCommand calls check for every command and subcommand.
func everyCommand(check func(c *Command, name string)) {
	commandTable()
	for _, c := range Commands() {
		check(c, c.FullName())
		for _, s := range c.Sub {
			check(s, s.FullName())
		}
	}
}

// TestTable checks what every entry of the table must have.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	everyCommand(func(c *Command, name string) {
		bad := func(format string, args ...any) {
			t.Helper()
			t.Errorf(name+": "+format, args...)
		}
		if seen[name] {
			bad("entered twice")
		}
		seen[name] = true
		handlers := 0
		for _, has := range []bool{c.Read != nil, c.Write != nil, len(c.Sub) > 0} {
			if has {
				handlers++
			}
		}
		if handlers != 1 {
			bad("has %d of Read, Write and Sub", handlers)
		}
		if c.Log != nil && c.Write == nil {
			bad("has Log without Write")
		}
		// Scripts go through the log whatever they do, and so do SCRIPT LOAD and FLUSH.
		if (c.Write != nil) != c.Flags.Has(command.Write) && c.Group != "scripting" {
			bad("the write flag is %v", c.Flags.Has(command.Write))
		}
		if c.Read != nil && len(c.Keys) > 0 && !c.Flags.Has(command.ReadOnly) {
			bad("reads keys without the readonly flag")
		}
		if c.Arity == 0 || c.Group == "" || c.Since == "" || c.Summary == "" || c.Complexity == "" || c.Categories() == 0 {
			bad("incomplete entry")
		}
		if !strings.HasSuffix(c.Summary, ".") || strings.Contains(c.Summary, "\n") {
			bad("the summary is not a sentence: %q", c.Summary)
		}
		checkSyntax(c, bad)
		checkKeys(c, bad)
		if c.Parent() == nil {
			if _, err := os.Stat(filepath.Join("testdata", c.Group, name+".txt")); err != nil {
				bad("has no script: %v", err)
			}
		}
	})
}

// checkSyntax compares the number of arguments that the syntax makes obligatory
// with the arity, and counts brackets.
func checkSyntax(c *Command, bad func(string, ...any)) {
	depth, words := 0, 0
	for _, w := range strings.Fields(c.Syntax) {
		open := strings.Count(w, "[") + strings.Count(w, "<")
		if depth == 0 && open == 0 {
			words++
		}
		depth += open - strings.Count(w, "]") - strings.Count(w, ">")
		if depth < 0 {
			break
		}
	}
	if depth != 0 {
		bad("unbalanced syntax %q", c.Syntax)
	}
	name := 1
	if c.Parent() != nil {
		name = 2
	}
	if len(c.Sub) > 0 || strings.Contains(c.Syntax, "<") {
		return
	}
	if least := max(c.Arity, -c.Arity); words+name != least {
		bad("syntax %q has %d obligatory words, arity is %d", c.Syntax, words, c.Arity)
	}
}

// checkKeys tries to find keys in the shortest command that the arity allows.
func checkKeys(c *Command, bad func(string, ...any)) {
	n := max(c.Arity, -c.Arity)
	args := make([][]byte, n)
	for i := range args {
		args[i] = []byte("1")
	}
	for i := range c.Keys {
		if k := &c.Keys[i]; k.Keyword == "" && !k.Unknown && (k.Pos < 1 || k.Pos >= n && (k.Pos > n || k.Last != -1)) {
			bad("key specification %d begins at %d, outside the arity %d", i, k.Pos, c.Arity)
			return
		}
	}
	found, ok := c.AppendKeys(nil, args)
	if !ok && c.Extract == nil && c.Group != "scripting" { // scripts can do without keys
		bad("finds no keys in %d arguments", n)
	}
	for _, i := range found {
		if i < 1 || i >= n {
			bad("finds a key at %d of %d arguments", i, n)
		}
	}
}

// TestTableOnRedis compares the table with COMMAND INFO and COMMAND DOCS.
func TestTableOnRedis(t *testing.T) {
	r := startRedis(t, false)
	everyCommand(func(c *Command, name string) {
		info := parseReply(r.must("COMMAND", "INFO", name)).([]any)[0]
		if info == nil {
			t.Errorf("%s: Redis has no such command", name)
			return
		}
		compareInfo(t, c, name, info.([]any))
		docs := parseReply(r.must("COMMAND", "DOCS", name)).([]any)
		if len(docs) != 2 {
			t.Errorf("%s: no documentation", name)
			return
		}
		fields := pairs(docs[1])
		if fields["group"] != c.Group || fields["since"] != c.Since {
			t.Errorf("%s: group %s since %s, want %v since %v", name, c.Group, c.Since, fields["group"], fields["since"])
		}
	})
}

// refusedSubcommands are those of Redis that are not there; docs/divergence.md
// lists them.
var refusedSubcommands = map[string]bool{
	"memory|doctor": true, "memory|malloc-stats": true, "memory|purge": true, "memory|stats": true,
}

func compareInfo(t *testing.T, c *Command, name string, info []any) {
	same := func(what string, got, want any) {
		t.Helper()
		if g, ok := got.([]string); ok {
			slices.Sort(g)
			w := words(want)
			slices.Sort(w)
			if !slices.Equal(g, w) {
				t.Errorf("%s: %s %q, want %q", name, what, g, w)
			}
		} else if got != want {
			t.Errorf("%s: %s %v, want %v", name, what, got, want)
		}
	}
	first, last, step := c.LegacyRange()
	same("name", name, info[0])
	same("arity", int64(c.Arity), info[1])
	same("flags", c.Flags.Names(), info[2])
	same("first key", int64(first), info[3])
	same("last key", int64(last), info[4])
	same("step", int64(step), info[5])
	var categories []string
	for _, n := range c.Categories().Names() {
		categories = append(categories, "@"+n)
	}
	same("categories", categories, info[6])
	same("tips", slices.Clone(c.Tips), info[7])

	specs := info[8].([]any)
	if len(specs) != len(c.Keys) {
		t.Errorf("%s: %d key specifications, want %d", name, len(c.Keys), len(specs))
		return
	}
	for i, want := range specs {
		k, w := &c.Keys[i], pairs(want)
		same("key flags", k.Flags.Names(), w["flags"])
		same("key notes", k.Notes != "", w["notes"] != nil)
		begin, find := pairs(w["begin_search"]), pairs(w["find_keys"])
		b, f := pairs(begin["spec"]), pairs(find["spec"])
		switch begin["type"] {
		case "index":
			same("key keyword", k.Keyword, "")
			same("key index", int64(k.Pos), b["index"])
		case "keyword":
			same("key keyword", k.Keyword, b["keyword"])
			same("key start", int64(k.Pos), b["startfrom"])
		default:
			same("key search", "unknown", begin["type"])
			same("key unknown", k.Unknown, true)
		}
		switch find["type"] {
		case "range":
			same("key count", k.NumKeys, false)
			same("key last", int64(k.Last), f["lastkey"])
			same("key step", int64(max(k.Step, 1)), f["keystep"])
			same("key limit", int64(k.Limit), f["limit"])
		case "keynum":
			same("key count", k.NumKeys, true)
			same("key number", int64(k.NumPos), f["keynumidx"])
			same("key first", int64(k.FirstKey), f["firstkey"])
			same("key step", int64(max(k.Step, 1)), f["keystep"])
		default:
			same("key find", "unknown", find["type"])
		}
	}
	if c.Parent() == nil {
		var subs, want []string
		for _, s := range c.Sub {
			subs = append(subs, s.FullName())
		}
		for _, s := range info[9].([]any) {
			if full := s.([]any)[0].(string); !refusedSubcommands[full] {
				want = append(want, full)
			}
		}
		slices.Sort(subs)
		slices.Sort(want)
		if !slices.Equal(subs, want) {
			t.Errorf("%s: subcommands %q, want %q", name, subs, want)
		}
	}
}

// parseReply turns a RESP2 reply into string, int64, nil or []any.
func parseReply(b []byte) any {
	v, _ := parseOne(b)
	return v
}

func parseOne(b []byte) (any, []byte) {
	head, rest, _ := strings.Cut(string(b), "\r\n")
	n, _ := strconv.ParseInt(head[1:], 10, 64)
	switch head[0] {
	case ':':
		return n, []byte(rest)
	case '$':
		if n < 0 {
			return nil, []byte(rest)
		}
		return rest[:n], []byte(rest[n+2:])
	case '*':
		if n < 0 {
			return nil, []byte(rest)
		}
		list, b := []any{}, []byte(rest)
		for range n {
			var v any
			v, b = parseOne(b)
			list = append(list, v)
		}
		return list, b
	}
	return head[1:], []byte(rest)
}

// pairs turns a flat list of names and values into a map.
func pairs(v any) map[string]any {
	m := map[string]any{}
	list, _ := v.([]any)
	for i := 0; i+1 < len(list); i += 2 {
		m[list[i].(string)] = list[i+1]
	}
	return m
}

func words(v any) (out []string) {
	list, _ := v.([]any)
	for _, w := range list {
		out = append(out, w.(string))
	}
	return out
}
