package transport

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// readReply parses a RESP3 reply of a real Redis into plain Go values.
func readReply(r *bufio.Reader) (any, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	kind, line := line[0], line[1:len(line)-2]
	n, _ := strconv.Atoi(line)
	switch kind {
	case '$':
		if n < 0 {
			return nil, nil
		}
		b := make([]byte, n+2)
		for i := range b {
			if b[i], err = r.ReadByte(); err != nil {
				return nil, err
			}
		}
		return string(b[:n]), nil
	case '*', '~':
		list := make([]any, n)
		for i := range list {
			if list[i], err = readReply(r); err != nil {
				return nil, err
			}
		}
		return list, nil
	case '%':
		m := map[string]any{}
		for range n {
			k, err := readReply(r)
			if err != nil {
				return nil, err
			}
			if m[fmt.Sprint(k)], err = readReply(r); err != nil {
				return nil, err
			}
		}
		return m, nil
	}
	return line, nil
}

func query(t *testing.T, addr, line string) any {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(c)
	fmt.Fprintf(c, "hello 3\r\n%s\r\n", line)
	if _, err := readReply(r); err != nil {
		t.Fatal(err)
	}
	v, err := readReply(r)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// shape writes what a client sees of arguments: names of oneofs and blocks are
// no more than labels, and the notation doesn't have them.
func shape(args any) string {
	list, _ := args.([]any)
	var out []string
	for _, a := range list {
		m := a.(map[string]any)
		s := ""
		if kind := fmt.Sprint(m["type"]); kind == kindOneof || kind == kindBlock {
			s = kind + "(" + shape(m["arguments"]) + ")"
		} else if kind != kindToken {
			s = fmt.Sprintf("%v:%s", m["name"], kind)
		}
		if m["token"] != nil {
			s = fmt.Sprintf("%v=%s", m["token"], s)
		}
		if m["key_spec_index"] != nil {
			s += fmt.Sprintf("#%v", m["key_spec_index"])
		}
		if flags, ok := m["flags"].([]any); ok {
			s += fmt.Sprint(flags)
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

// TestDocsAsRedis compares the structure of COMMAND DOCS for every command that
// both servers have. Differences that the notation can't express are listed.
func TestDocsAsRedis(t *testing.T) {
	redis := startRedis(t)
	_, _, addr := plainServer(t)
	theirs, ours := query(t, redis, "command docs").(map[string]any), query(t, addr, "command docs").(map[string]any)
	known := map[string]bool{
		"set":            true, // until the syntax of the data command is complete
		"client|list":    true, // ID is a block of one there
		"hello":          true, // the optional block is unnamed here
		"xtrim":          true, // there, all of the trimming is a block
		"xinfo|stream":   true, // there, FULL is the token of a block
		"geohash":        true, // the members are obligatory there, and are not
		"geopos":         true,
		"geosearch":      true, // BYRADIUS and BYBOX begin blocks there
		"geosearchstore": true,
		"sort":           true, // patterns have key specifications there that name no key
		"sort_ro":        true,
		"pfmerge":        true, // the sources are obligatory there, and are not
		"psubscribe":     true, // as the pattern
		"migrate":        true, // AUTH and its argument are written as a block here
	}
	var compare func(name string, a, b map[string]any)
	compared := 0
	compare = func(name string, a, b map[string]any) {
		compared++
		for _, field := range []string{"since", "group"} {
			if a[field] != b[field] {
				t.Errorf("%s: %s is %v, in Redis %v", name, field, a[field], b[field])
			}
		}
		if x, y := shape(a["arguments"]), shape(b["arguments"]); x != y && !known[name] {
			t.Errorf("%s\n ours %s\nRedis %s", name, x, y)
		} else if x != y {
			t.Logf("%s\n ours %s\nRedis %s", name, x, y)
		}
		subs, _ := a["subcommands"].(map[string]any)
		others, _ := b["subcommands"].(map[string]any)
		for sub, v := range subs {
			if o, ok := others[sub].(map[string]any); ok {
				compare(sub, v.(map[string]any), o)
			} else {
				t.Errorf("%s: not in Redis", sub)
			}
		}
	}
	for name, v := range ours {
		if o, ok := theirs[name].(map[string]any); ok && o["group"] != "" {
			compare(name, v.(map[string]any), o)
		}
	}
	if compared < 30 {
		t.Errorf("only %d commands compared", compared)
	}
}

func TestParseSyntax(t *testing.T) {
	render := func(args []argument) string {
		var walk func([]argument) string
		walk = func(args []argument) string {
			var out []string
			for _, a := range args {
				s := a.name
				if a.children != nil {
					s = a.kind + "(" + walk(a.children) + ")"
				} else if a.kind == kindToken {
					s = ""
				}
				if a.token != "" {
					s = a.token + "=" + s
				}
				for _, f := range []struct {
					on   bool
					mark string
				}{{a.optional, "?"}, {a.multiple, "+"}, {a.multipleToken, "!"}} {
					if f.on {
						s += f.mark
					}
				}
				out = append(out, s)
			}
			return strings.Join(out, " ")
		}
		return walk(args)
	}
	for _, c := range []struct{ syntax, want string }{
		{"", ""},
		{"key", "key"},
		{"key [key ...]", "key+"},
		{"[key ...]", "key?+"},
		{"key value [key value ...]", "block(key value)+"},
		{"key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | KEEPTTL]",
			"key value oneof(NX= XX=)? GET=? oneof(EX=seconds PX=milliseconds EXAT=unix-time-seconds PXAT=unix-time-milliseconds KEEPTTL=)?"},
		{"key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]", "key oneof(NX= XX=)? oneof(GT= LT=)? CH=? INCR=? block(score member)+"},
		{"cursor [MATCH pattern] [COUNT count] [TYPE type]", "cursor MATCH=pattern? COUNT=count? TYPE=type?"},
		{"key min max [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]", "key min max oneof(BYSCORE= BYLEX=)? REV=? LIMIT=block(offset count)? WITHSCORES=?"},
		{"key <BEFORE | AFTER> pivot element", "key oneof(BEFORE= AFTER=) pivot element"},
		{"source destination <LEFT | RIGHT> <LEFT | RIGHT>", "source destination oneof(LEFT= RIGHT=) oneof(LEFT= RIGHT=)"},
		{"key [NOMKSTREAM] [<MAXLEN | MINID> [= | ~] threshold [LIMIT count]] <* | id> field value [field value ...]",
			"key NOMKSTREAM=? block(oneof(MAXLEN= MINID=) oneof(== ~=)? threshold LIMIT=count?)? oneof(*= id) block(field value)+"},
		{"key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]",
			"key BY=pattern? LIMIT=block(offset count)? GET=pattern?+! oneof(ASC= DESC=)? ALPHA=?"},
		{"numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]", "numkeys key+ WEIGHTS=weight?+ AGGREGATE=oneof(SUM= MIN= MAX=)?"},
		{"key [start end [BYTE | BIT]]", "key block(start end oneof(BYTE= BIT=)?)?"},
		{"GROUP group consumer [COUNT count] STREAMS key [key ...] id [id ...]", "GROUP=block(group consumer) COUNT=count? STREAMS=block(key+ id+)"},
		{"[unfinished <x | y", "block(unfinished oneof(x y))?"},
		{"] > | ...", "oneof(block(]= >=) ...=)"},
		{"<a | [B c]> [a | [B c] ...]", "oneof(a B=c?)+"},
	} {
		if got := render(parseSyntax(c.syntax)); got != c.want {
			t.Errorf("%q\n got %s\nwant %s", c.syntax, got, c.want)
		}
	}
}
