package glob

import (
	"bytes"
	"math/rand"
	"strings"
	"testing"
	"time"
)

// TestMatch lists, per pattern, which of a fixed set of strings match. The
// lists were read from redis-server 7.0.15 (KEYS over keys of these names).
func TestMatch(t *testing.T) {
	subjects := []string{"", "a", "ab", "b", "c", "]", `\`, "-", "^", "["}
	cases := []struct{ pattern, want string }{
		{`**`, `a ab b c ] \ - ^ [`},
		{`*`, `a ab b c ] \ - ^ [`},
		{`?`, `a b c ] \ - ^ [`},
		{`[a`, `a`},
		{`[]`, ``},
		{`[^]`, `a b c ] \ - ^ [`},
		{`[^a`, `b c ] \ - ^ [`},
		{`[`, ``},
		{`[^`, `a b c ] \ - ^ [`},
		{`\`, `\`},
		{`[\`, `\`},
		{`[\\`, `\`},
		{`[a-`, `a -`},
		{`[-a]`, `a -`},
		{`[c-a]`, `a b c`},
		{`a**`, `a ab`},
		{`[\]]`, `]`},
		{`[]]`, ``},
		{`[a-]`, `a ] ^`},
		{`[^b-c`, `a ] \ - ^ [`},
		{`*[`, ``},
	}
	for _, c := range cases {
		var got []string
		for _, s := range subjects {
			if Match([]byte(c.pattern), []byte(s), false) {
				got = append(got, s)
			}
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("%q matches %q, want %q", c.pattern, g, c.want)
		}
	}
}

func TestMatchNocase(t *testing.T) {
	cases := []struct {
		pattern, s string
		want       bool
	}{
		{"MAX*", "maxclients", true},
		{"h?LLO", "Hello", true},
		{"[A-C]x", "bX", true},
		{"[abc]", "B", true},
		{`[\B]`, "b", false}, // an escaped byte in a set compares with case
		{`\B`, "b", true},
		{"\xc3", "\xe3", false}, // ASCII only
	}
	for _, c := range cases {
		if got := Match([]byte(c.pattern), []byte(c.s), true); got != c.want {
			t.Errorf("Match(%q, %q, nocase) = %v", c.pattern, c.s, got)
		}
	}
	if Match([]byte("MAX*"), []byte("maxclients"), false) {
		t.Error("case must matter without nocase")
	}
}

// TestMatchBounded runs the patterns that take exponential time in a
// backtracking matcher (CVE-2022-36021). A regression would not end.
func TestMatchBounded(t *testing.T) {
	subject := bytes.Repeat([]byte("a"), 20_000)
	for _, pattern := range []string{
		strings.Repeat("a*", 200) + "b",
		strings.Repeat("*?", 200) + "b",
		strings.Repeat("*[a-z]", 200) + "b",
		strings.Repeat("*", 5000) + "b",
	} {
		start := time.Now()
		if Match([]byte(pattern), subject, false) {
			t.Errorf("%.20q... matched", pattern)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%.20q... took %v", pattern, took)
		}
	}
}

// reference is the obvious recursive matcher, written independently of Match.
func reference(p, s []byte, nocase bool) bool {
	if len(s) == 0 {
		return len(bytes.TrimLeft(p, "*")) == 0
	}
	if len(p) == 0 {
		return false
	}
	fold := func(b byte) byte {
		if nocase && strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZ", b) >= 0 {
			return b | 0x20
		}
		return b
	}
	switch p[0] {
	case '*':
		return reference(p[1:], s, nocase) || reference(p, s[1:], nocase)
	case '?':
		return reference(p[1:], s[1:], nocase)
	case '\\':
		if len(p) > 1 {
			p = p[1:]
		}
	case '[':
		set := p[1:]
		not := bytes.HasPrefix(set, []byte("^"))
		if not {
			set = set[1:]
		}
		in := false
		for len(set) > 0 && set[0] != ']' {
			if set[0] == '\\' && len(set) > 1 {
				in = in || set[1] == s[0]
				set = set[2:]
			} else if len(set) > 2 && set[1] == '-' {
				lo, hi := min(set[0], set[2]), max(set[0], set[2])
				in = in || fold(lo) <= fold(s[0]) && fold(s[0]) <= fold(hi)
				set = set[3:]
			} else {
				in = in || fold(set[0]) == fold(s[0])
				set = set[1:]
			}
		}
		set = bytes.TrimPrefix(set, []byte("]"))
		return in != not && reference(set, s[1:], nocase)
	}
	return fold(p[0]) == fold(s[0]) && reference(p[1:], s[1:], nocase)
}

// TestMaxStars checks where redis-server 7.0.15 gives up: KEYS with n times "*?"
// finds a key of 3,000 letters for n = 1000 and no more for 1001, whatever more
// stars stand beside others or at the end.
func TestMaxStars(t *testing.T) {
	key := bytes.Repeat([]byte("a"), 3000)
	for _, run := range []string{"*?", "**?", "*a"} {
		for _, end := range []string{"", "*", "***"} {
			for n, want := range map[int]bool{999: true, 1000: true, 1001: false, 3000: false} {
				pattern := append(bytes.Repeat([]byte(run), n), end...)
				if got := Match(pattern, key, false); got != want {
					t.Errorf("%d times %q and %q: %v, want %v", n, run, end, got, want)
				}
			}
		}
	}
	if !Match(bytes.Repeat([]byte("*"), 5000), key, false) {
		t.Error("a single run of stars is not what the limit is about")
	}
}

func compare(t *testing.T, pattern, s []byte, nocase bool) {
	t.Helper()
	want := len(pattern) == 0
	if len(s) > 0 { // on the empty string Redis ignores stars; see the package comment
		want = reference(pattern, s, nocase)
	}
	if got := Match(pattern, s, nocase); got != want {
		t.Fatalf("Match(%q, %q, %v) = %v, reference says %v", pattern, s, nocase, got, want)
	}
}

func TestMatchAgainstReference(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewSource(seed))
	pick := func(alphabet string, max int) []byte {
		out := make([]byte, r.Intn(max+1))
		for i := range out {
			out[i] = alphabet[r.Intn(len(alphabet))]
		}
		return out
	}
	for range 300_000 {
		compare(t, pick(`aBc*?[]^-\`, 9), pick(`abC]-^\`, 7), r.Intn(2) == 0)
	}
}

func FuzzMatch(f *testing.F) {
	f.Add([]byte("a*[^b-d]?"), []byte("axyz"), false)
	f.Add([]byte(`[\`), []byte(`\`), true)
	f.Fuzz(func(t *testing.T, pattern, s []byte, nocase bool) {
		// Longer inputs would only measure how slow the reference is.
		compare(t, pattern[:min(len(pattern), 12)], s[:min(len(s), 10)], nocase)
	})
}
