package transport

import (
	"strings"
)

// The arguments of COMMAND DOCS are made of a command's Syntax, the notation of
// the Redis docs: NAMES in upper case are tokens, names in lower case are
// values, [x] is optional, <a | b> is a choice, "key [key ...]" is a repetition.

// argument is one argument as COMMAND DOCS describes it.
type argument struct {
	name, kind, token string
	optional          bool
	multiple          bool
	multipleToken     bool
	children          []argument // of kind oneof and block
}

const (
	kindOneof = "oneof"
	kindBlock = "block"
	kindToken = "pure-token"
)

// item is an element of the notation: a word, or a bracket with alternatives.
type item struct {
	word     string
	bracket  byte // '[' or '<', 0 for a word
	alts     [][]item
	multiple bool // was followed by its repetition
	tokened  bool // and the repetition repeats the token
}

// parseSyntax parses the notation. It never fails: what it can't read it takes
// for words, and a test parses every command.
func parseSyntax(syntax string) []argument {
	p := syntaxParser{words: tokens(syntax)}
	alts := p.alternatives(0)
	if len(alts) == 0 {
		return nil
	}
	if len(alts) > 1 {
		return []argument{oneOf(alts)}
	}
	return sequence(alts[0])
}

// tokens splits the notation into words, brackets, bars and dots. A bracket
// directly within a word belongs to the word.
func tokens(s string) []string {
	for _, mark := range []string{"[", "]", "<", ">", "|", "..."} {
		s = strings.ReplaceAll(s, mark, " "+mark+" ")
	}
	return strings.Fields(s)
}

type syntaxParser struct {
	words []string
}

// alternatives parses up to the closing bracket and takes it.
func (p *syntaxParser) alternatives(closing byte) [][]item {
	var alts [][]item
	var seq []item
	for len(p.words) > 0 {
		w := p.words[0]
		p.words = p.words[1:]
		switch {
		case len(w) == 1 && w[0] == closing && closing != 0:
			return append(alts, seq)
		case w == "[":
			seq = appendOptional(seq, item{bracket: '[', alts: p.alternatives(']')})
		case w == "<":
			seq = append(seq, item{bracket: '<', alts: p.alternatives('>')})
		case w == "|":
			alts, seq = append(alts, seq), nil
		default:
			seq = append(seq, item{word: w})
		}
	}
	if len(seq) > 0 || len(alts) > 0 {
		alts = append(alts, seq)
	}
	return alts
}

// appendOptional adds an optional item, or, if it is "[x ...]" behind x, notes
// that x is repeated.
func appendOptional(seq []item, o item) []item {
	if len(o.alts) != 1 {
		return append(seq, o)
	}
	body := o.alts[0]
	if len(body) == 0 || body[len(body)-1].word != "..." {
		return append(seq, o)
	}
	body = body[:len(body)-1]
	if n := len(seq) - len(body); len(body) > 0 && n >= 0 && sameItems(seq[n:], body) {
		repeated := item{bracket: '<', alts: [][]item{append([]item(nil), body...)}, multiple: true,
			tokened: len(body) > 1 && body[0].isToken()}
		return append(seq[:n:n], repeated)
	}
	o.alts[0], o.multiple = body, true
	return append(seq, o)
}

func sameItems(a, b []item) bool {
	for i := range a {
		if a[i].word != b[i].word || a[i].bracket != b[i].bracket || len(a[i].alts) != len(b[i].alts) {
			return false
		}
		for j := range a[i].alts {
			if len(a[i].alts[j]) != len(b[i].alts[j]) || !sameItems(a[i].alts[j], b[i].alts[j]) {
				return false
			}
		}
	}
	return true
}

// isToken reports whether the item is a word without a lower-case letter.
func (i *item) isToken() bool {
	return i.bracket == 0 && strings.ToUpper(i.word) == i.word
}

// sequence turns items into arguments. A token takes the values and choices
// that follow it, up to the next token or optional part.
func sequence(items []item) []argument {
	var args []argument
	for i := 0; i < len(items); {
		it := &items[i]
		i++
		if !it.isToken() {
			args = append(args, it.argument())
			continue
		}
		from := i
		for i < len(items) && items[i].bracket != '[' && !items[i].isToken() && !items[i].tokened {
			i++
		}
		taken := sequence(items[from:i])
		switch {
		case len(taken) == 0:
			args = append(args, argument{name: tokenName(it.word), kind: kindToken, token: it.word})
		case len(taken) == 1 && taken[0].token == "" && !taken[0].optional:
			taken[0].token = it.word
			args = append(args, taken[0])
		default:
			args = append(args, argument{name: strings.ToLower(it.word), kind: kindBlock, token: it.word, children: taken})
		}
	}
	return args
}

// tokenNames are the names Redis gives to tokens that are no words.
var tokenNames = map[string]string{"=": "equal", "~": "approximately", "*": "auto_id", "$": "new_id"}

func tokenName(token string) string {
	if name, ok := tokenNames[token]; ok {
		return name
	}
	return strings.ToLower(token)
}

func (i *item) argument() argument {
	if i.bracket == 0 {
		return argument{name: i.word, kind: "string"}
	}
	var a argument
	if len(i.alts) > 1 {
		a = oneOf(i.alts)
	} else {
		a = grouped(sequence(i.alts[0]))
	}
	a.optional = a.optional || i.bracket == '['
	a.multiple = a.multiple || i.multiple
	a.multipleToken = a.multipleToken || i.tokened && a.token != ""
	return a
}

// oneOf joins alternatives.
func oneOf(alts [][]item) argument {
	a := argument{kind: kindOneof}
	for _, alt := range alts {
		a.children = append(a.children, grouped(sequence(alt)))
	}
	a.name = joinNames(a.children)
	return a
}

// grouped returns the only argument, or a block of several.
func grouped(args []argument) argument {
	if len(args) == 1 {
		return args[0]
	}
	// "COUNT count [ANY]" is a block whose first argument keeps the token.
	return argument{kind: kindBlock, name: joinNames(args), children: args}
}

func joinNames(args []argument) string {
	names := make([]string, len(args))
	for i := range args {
		names[i] = args[i].name
	}
	return strings.Join(names, "_")
}
