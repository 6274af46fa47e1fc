// Package glob matches byte strings against the glob patterns of KEYS, SCAN
// MATCH, PSUBSCRIBE, CONFIG GET and ACL key patterns.
//
// The language is Redis's, quirks included (observed on redis-server 7.0.15):
//
//	"*"       any run of bytes, also the empty one
//	"?"       exactly one byte
//	"[abc]"   one byte of the set; [a-z] a range, [z-a] the same range
//	"[^abc]"  one byte outside the set
//	"\x"      the byte x itself, inside a set too
//
// A set that is never closed ends with the pattern. "[]" is an empty set and
// matches nothing, "[^]" matches any one byte. A backslash that ends the
// pattern stands for itself. A pattern that is not empty never matches the
// empty string, "*" included: KEYS with a lone "*" does not come here. Nor does
// a pattern with more than maxStars runs of stars in front of something else.
package glob

// maxStars is how many runs of stars the matching of one pattern may go
// through, not counting one that ends it: redis-server gives up there, because
// each is a recursion for it (CVE-2024-31228). Here they cost no more than other
// elements; the limit keeps the replies the same.
const maxStars = 1000

// Match reports whether the whole of s matches pattern. With nocase, ASCII
// letters compare without case, except escaped ones inside a set.
//
// Every element of the language but "*" consumes exactly one byte, so if the
// text after one star fails to match, only the last star seen can usefully take
// another byte. That bounds the work to len(pattern)*len(s) and needs neither
// recursion nor memory, whatever the pattern. Match is safe for concurrent use.
func Match(pattern, s []byte, nocase bool) bool {
	if len(s) == 0 {
		return len(pattern) == 0
	}
	p, i, stars := 0, 0, 0
	starP, starI := -1, 0 // pattern position after the last star, and where in s its rest was tried
	for i < len(s) {
		if p < len(pattern) {
			if pattern[p] == '*' {
				for p < len(pattern) && pattern[p] == '*' {
					p++
				}
				if p == len(pattern) {
					return true
				}
				if stars++; stars > maxStars {
					return false
				}
				starP, starI = p, i
				continue
			}
			if next, ok := matchOne(pattern, p, s[i], nocase); ok {
				p = next
				i++
				continue
			}
		}
		if starP < 0 {
			return false
		}
		starI++
		p, i = starP, starI
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// matchOne compares c with the one-byte element at pattern[p], which is not a
// star, and returns the position after the element.
func matchOne(pattern []byte, p int, c byte, nocase bool) (next int, ok bool) {
	switch pattern[p] {
	case '?':
		return p + 1, true
	case '[':
		return matchSet(pattern, p+1, c, nocase)
	case '\\':
		if p+1 < len(pattern) {
			p++
		}
	}
	return p + 1, equal(pattern[p], c, nocase)
}

// matchSet compares c with the set whose first byte after "[" is pattern[p].
func matchSet(pattern []byte, p int, c byte, nocase bool) (next int, ok bool) {
	negated := p < len(pattern) && pattern[p] == '^'
	if negated {
		p++
	}
	found := false
	for p < len(pattern) && pattern[p] != ']' {
		switch rest := len(pattern) - p; {
		case rest >= 2 && pattern[p] == '\\':
			found = found || pattern[p+1] == c
			p += 2
		case rest >= 3 && pattern[p+1] == '-':
			found = found || inRange(pattern[p], pattern[p+2], c, nocase)
			p += 3
		default:
			found = found || equal(pattern[p], c, nocase)
			p++
		}
	}
	if p < len(pattern) {
		p++ // the closing bracket
	}
	return p, found != negated
}

func inRange(from, to, c byte, nocase bool) bool {
	// Redis orders the ends before it folds case: "[Z-a]" without case is "[a-z]".
	if from > to {
		from, to = to, from
	}
	if nocase {
		from, to, c = lower(from), lower(to), lower(c)
	}
	return from <= c && c <= to
}

func equal(a, b byte, nocase bool) bool {
	return a == b || nocase && lower(a) == lower(b)
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
