package fsm

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/quorate/quorate/resp"
)

// fillZSet adds the members m0, m1 ... with their numbers as scores.
func fillZSet(p *pair, key string, n int) {
	for i := 0; i < n; i += 100 {
		args := [][]byte{[]byte("ZADD"), []byte(key)}
		for j := i; j < min(n, i+100); j++ {
			args = append(args, fmt.Append(nil, j), fmt.Append(nil, "m", j))
		}
		p.do(0, args)
	}
}

// elements returns the bulk strings of a reply.
func elements(reply string) []string { return bulks([]byte(reply)) }

// TestZrandmemberDraws: a positive count yields different members, a negative
// one as many as it says, each with its own score and all of them in the end.
func TestZrandmemberDraws(t *testing.T) {
	for _, size := range []int{5, 100, 300} {
		p := newPair(t, Options{})
		fillZSet(p, "k", size)
		for _, count := range []int{1, 2, size / 2, size - 1, size, size + 1, -1, -3, -2 * size} {
			got := elements(p.doWords(fmt.Sprintf("ZRANDMEMBER k %d WITHSCORES", count)))
			seen := map[string]bool{}
			for i := 0; i < len(got); i += 2 {
				if got[i] != "m"+got[i+1] {
					t.Fatalf("member %s has score %s", got[i], got[i+1])
				}
				seen[got[i]] = true
			}
			want := min(count, size)
			if count < 0 {
				want = -count
			} else if len(seen) != want {
				t.Errorf("count %d of %d: %d different members", count, size, len(seen))
			}
			if len(got) != 2*want {
				t.Errorf("count %d of %d: %d members", count, size, len(got)/2)
			}
		}
	}
}

// TestZrandmemberIsFair: each member is drawn about equally often, alone and
// among different ones.
func TestZrandmemberIsFair(t *testing.T) {
	const size, draws = 10, 4000
	p := newPair(t, Options{})
	fillZSet(p, "k", size)
	for _, words := range []string{"ZRANDMEMBER k", "ZRANDMEMBER k 1", "ZRANDMEMBER k -5", "ZRANDMEMBER k 3"} {
		times := map[string]int{}
		total := 0
		for total < draws {
			for _, m := range elements(p.doWords(words)) {
				times[m]++
				total++
			}
		}
		for m, n := range times {
			// Five standard deviations of so many independent draws.
			if n < total/size-100 || n > total/size+100 {
				t.Errorf("%s: %s was drawn %d times of %d", words, m, n, total)
			}
		}
		if len(times) != size {
			t.Errorf("%s: only %d members were ever drawn", words, len(times))
		}
	}
}

// TestZrandmemberIsBounded: a count that no reply has room for is refused
// whatever the size of the members, and leaves nothing of the reply behind.
func TestZrandmemberIsBounded(t *testing.T) {
	const large = maxRandomReply / 2
	p := newPair(t, Options{})
	p.doWords("ZADD small 1 a")
	p.do(0, [][]byte{[]byte("ZADD"), []byte("large"), []byte("1"), make([]byte, large)})
	for words, want := range map[string]int{"small -9223372036854775807": 0, "small -20000000": 0, "large -2": 0, "large -1": large} {
		args := bytes.Fields([]byte("ZRANDMEMBER " + words))
		u := &Unit{Ops: []Op{{Cmd: commandTable().Find(args[0]).Item, Args: args, Slot: -1}}, Reply: &resp.Writer{Proto: 2}}
		p.leader.Read(u, p.now, 1)
		refused := string(u.Reply.Buf) == "-"+errRange+"\r\n"
		if refused != (want == 0) || !refused && len(u.Reply.Buf) < want {
			t.Errorf("%s: %d bytes: %.80q", words, len(u.Reply.Buf), u.Reply.Buf)
		}
	}
}

// TestZscanMeetsAll: a walk meets every member that is there throughout,
// although others come and go.
func TestZscanMeetsAll(t *testing.T) {
	p := newPair(t, Options{})
	const size = 1000
	fillZSet(p, "k", size)
	met := map[string]bool{}
	cursor := "0"
	for step := 0; ; step++ {
		got := elements(p.doWords("ZSCAN k " + cursor + " COUNT 7 MATCH m*"))
		cursor = got[0]
		for i := 1; i < len(got); i += 2 {
			if met[got[i]] = true; got[i] != "m"+got[i+1] {
				t.Fatalf("member %s has score %s", got[i], got[i+1])
			}
		}
		if cursor == "0" {
			break
		}
		if step > size {
			t.Fatal("the walk doesn't end")
		}
		p.doWords(fmt.Sprintf("ZREM k m%d", 3*step)) // multiples of 3 go
		p.doWords(fmt.Sprintf("ZADD k %d new%d", step, step))
	}
	for i := range size {
		if m := "m" + strconv.Itoa(i); i%3 != 0 && !met[m] {
			t.Errorf("%s was never met", m)
		}
	}
	if met["new0"] || strings.HasPrefix(cursor, "n") {
		t.Error("MATCH lets members pass that don't match")
	}
}
