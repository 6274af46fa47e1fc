package fsm

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestSample: k different numbers below n, all of them equally likely.
func TestSample(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := NewRand(seed)
	for _, c := range []struct{ n, k int }{{0, 0}, {1, 0}, {1, 1}, {5, 5}, {64, 64}, {65, 30}, {1000, 1}, {1000, 3}, {1000, 999}, {100000, 7}} {
		seen := map[int]bool{}
		r.sample(c.n, c.k, func(i int) {
			if i < 0 || i >= c.n || seen[i] {
				t.Errorf("%d of %d: %d, after %d others", c.k, c.n, i, len(seen))
			}
			seen[i] = true
		})
		if len(seen) != c.k {
			t.Errorf("%d of %d: got %d", c.k, c.n, len(seen))
		}
	}
	for _, c := range []struct{ n, k int }{{10, 3}, {10, 9}, {600, 2}} {
		const rounds = 30000
		count := make([]int, c.n)
		for range rounds {
			r.sample(c.n, c.k, func(i int) { count[i]++ })
		}
		want := float64(rounds*c.k) / float64(c.n)
		for i, n := range count {
			// Six standard deviations of a binomial distribution, and more.
			if d := float64(n) - want; d*d > 36*want {
				t.Errorf("%d of %d: %d was drawn %d times, want about %.0f", c.k, c.n, i, n, want)
			}
		}
	}
}

// TestRepeatedDraws: as many elements as asked for, but never a reply without
// bound. Redis would write these replies until it has no memory left.
func TestRepeatedDraws(t *testing.T) {
	p := newPair(t, Options{})
	p.doWords("SADD s a b c")
	p.doWords("SADD i 1 2 3")
	p.doWords("HSET h a 1 b 2 c 3")
	p.doWords("HSET t a 1 b 2 c " + strings.Repeat("x", 65))
	refused := "-" + errReplyLimit + "\r\n"
	for _, count := range []string{"-9223372036854775807", "-4611686018427387904", "-4611686018427387903", "-89478486"} {
		for _, line := range []string{"SRANDMEMBER s ", "SRANDMEMBER i ", "HRANDFIELD h ", "HRANDFIELD t "} {
			if got := p.doWords(line + count); got != refused {
				t.Errorf("%s%s: %.50q", line, count, got)
			}
		}
	}
	for _, line := range []string{"HRANDFIELD h -4611686018427387903 WITHVALUES", "HRANDFIELD t -44739243 WITHVALUES"} {
		if got := p.doWords(line); got != refused {
			t.Errorf("%s: %.50q", line, got)
		}
	}
	p.apply(0, Limit("proto-max-bulk-len", 1<<20))
	for _, c := range []struct {
		line  string
		bytes int // of an element
	}{
		{"SRANDMEMBER s", 7}, {"SRANDMEMBER i", 7}, {"HRANDFIELD h", 7}, {"HRANDFIELD t", 7},
	} {
		head := len("*149000\r\n")
		fits := (1<<20 - head) / c.bytes
		got := p.doWords(fmt.Sprintf("%s -%d", c.line, fits))
		if want := fmt.Sprintf("*%d\r\n", fits); !strings.HasPrefix(got, want) || len(got) != head+fits*c.bytes {
			t.Errorf("%s: %d elements are %d bytes %.20q", c.line, fits, len(got), got)
		}
		if got := p.doWords(fmt.Sprintf("%s -%d", c.line, fits+1)); got != refused {
			t.Errorf("%s: %d elements are %d bytes %.20q", c.line, fits+1, len(got), got)
		}
	}
	p.proto = 3
	if got := p.doWords("HRANDFIELD t -2 WITHVALUES"); !strings.HasPrefix(got, "*2\r\n*2\r\n$1\r\n") {
		t.Errorf("in RESP3: %q", got)
	}
}

// TestRandomChoice: every element of every representation can be drawn, by every
// command that draws, and counts below the size give different elements.
func TestRandomChoice(t *testing.T) {
	p := newPair(t, Options{})
	var members, ints, fields []string
	for i := range 20 {
		members = append(members, fmt.Sprint("m", i))
		ints = append(ints, fmt.Sprint(i))
		fields = append(fields, fmt.Sprintf("m%d %d", i, i))
	}
	p.doWords("SADD dict " + strings.Join(members, " "))
	p.doWords("SADD ints " + strings.Join(ints, " "))
	p.doWords("HSET list " + strings.Join(fields, " "))
	p.doWords("HSET table " + strings.Join(fields, " ") + " long " + strings.Repeat("x", 65))
	p.doWords("HDEL table long")
	for _, line := range []string{"SRANDMEMBER dict", "SRANDMEMBER ints", "HRANDFIELD list", "HRANDFIELD table"} {
		for _, count := range []string{"", " 1", " 7", " 19", " -1", " -7"} {
			seen := map[string]int{}
			for range 300 {
				got := bulks([]byte(p.doWords(line + count)))
				once := map[string]bool{}
				for _, m := range got {
					seen[m]++
					once[m] = true
				}
				if count == " 7" && len(once) != 7 || count == " 19" && len(once) != 19 {
					t.Fatalf("%s%s: %q", line, count, got)
				}
			}
			if len(seen) != 20 {
				t.Errorf("%s%s: only drew %v", line, count, seen)
			}
		}
	}
	for _, count := range []string{" 1", " 12", " 19"} {
		seen := map[string]int{}
		for range 300 {
			for key, all := range map[string][]string{"dict": members, "ints": ints} {
				p.doWords("DEL " + key)
				p.doWords("SADD " + key + " " + strings.Join(all, " "))
				popped := bulks([]byte(p.doWords("SPOP " + key + count)))
				left := bulks([]byte(p.doWords("SMEMBERS " + key)))
				whole := map[string]bool{}
				for _, m := range append(popped, left...) {
					whole[m] = true
				}
				if fmt.Sprint(" ", len(popped)) != count || len(popped)+len(left) != 20 || len(whole) != 20 {
					t.Fatalf("SPOP %s%s: %q, %q are left", key, count, popped, left)
				}
				for _, m := range popped {
					seen[m]++
				}
			}
		}
		if len(seen) != 40 {
			t.Errorf("SPOP%s: only drew %v", count, seen)
		}
	}
	// More integers than are removed one by one.
	var many []string
	for i := range 400 {
		many = append(many, fmt.Sprint(i*3))
	}
	p.doWords("SADD many " + strings.Join(many, " "))
	if popped := bulks([]byte(p.doWords("SPOP many 150"))); len(popped) != 150 {
		t.Errorf("popped %q", popped)
	}
	if got := p.doWords("SCARD many") + p.doWords("OBJECT ENCODING many"); got != ":250\r\n$6\r\nintset\r\n" {
		t.Errorf("of 400 integers, 150 popped: %q", got)
	}
	p.compare()
}
