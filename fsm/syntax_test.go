package fsm

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// phrase is a part of a command's syntax: a word, or alternatives in brackets,
// each a sequence of phrases.
type phrase struct {
	word     string
	choices  [][]*phrase
	optional bool // [ ] and not < >
	repeats  bool // ends with "..."
}

// parseSyntax reads the notation of the Redis docs, as in Spec.Syntax.
func parseSyntax(text string) []*phrase {
	for _, mark := range []string{"[", "]", "<", ">", "|"} {
		text = strings.ReplaceAll(text, mark, " "+mark+" ")
	}
	words := strings.Fields(text)
	return parsePhrases(&words, &phrase{})[0]
}

// parsePhrases reads up to the bracket that closes the phrase in.
func parsePhrases(words *[]string, in *phrase) [][]*phrase {
	choices := [][]*phrase{nil}
	for len(*words) > 0 {
		w := (*words)[0]
		*words = (*words)[1:]
		last := &choices[len(choices)-1]
		switch w {
		case "[", "<":
			p := &phrase{optional: w == "["}
			p.choices = parsePhrases(words, p)
			*last = append(*last, p)
		case "]", ">":
			return choices
		case "|":
			choices = append(choices, nil)
		case "...":
			in.repeats = true
		default:
			*last = append(*last, &phrase{word: w})
		}
	}
	return choices
}

// speak calls say with the words of a random sentence of the syntax.
func speak(r *rand.Rand, phrases []*phrase, say func(word string)) {
	for _, p := range phrases {
		n := 1
		switch {
		case p.repeats && r.IntN(30) == 0:
			n = 20 + r.IntN(30)
		case p.repeats:
			n = r.IntN(4)
		case p.optional:
			n = r.IntN(2)
		}
		for range n {
			if p.word != "" {
				say(p.word)
			} else {
				speak(r, p.choices[r.IntN(len(p.choices))], say)
			}
		}
	}
}

// TestSyntax pins the notation on an example with everything in it.
func TestSyntax(t *testing.T) {
	syntax := parseSyntax("key <A | B c> [NX | XX] [LIMIT offset [COUNT n]] [e f ...]")
	seen := map[string]bool{}
	r := rand.New(rand.NewPCG(1, 1))
	for range 5000 {
		var words []string
		speak(r, syntax, func(w string) { words = append(words, w) })
		seen[strings.Join(words, " ")] = true
		if words[0] != "key" || (words[1] != "A" && !slices.Equal(words[1:3], []string{"B", "c"})) {
			t.Fatalf("no sentence of the syntax: %q", words)
		}
	}
	for _, s := range []string{"key A", "key B c", "key A NX", "key B c XX LIMIT offset", "key A LIMIT offset COUNT n e f e f"} {
		if !seen[s] {
			t.Errorf("never said: %q", s)
		}
	}
	for s := range seen {
		if strings.Contains(s, "NX XX") || strings.Contains(s, "COUNT n COUNT") || strings.ContainsAny(s, "[]<>|.") {
			t.Errorf("no sentence of the syntax: %q", s)
		}
	}
}
