package fsm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// collectionCommands are templates of random commands on hashes and sets whose
// outcome is not a matter of chance: K is a key, F a field or member, N a
// number, C a count. A template in brackets may be repeated or left out.
var collectionCommands = strings.Split(strings.TrimSpace(`
HSET K F F [F F]
HSET K F F [F F]
HMSET K F N [F N]
HSETNX K F F
HGET K F
HMGET K F [F]
HGETALL K
HKEYS K
HVALS K
HLEN K
HSTRLEN K F
HEXISTS K F
HDEL K F [F]
HINCRBY K F N
HINCRBYFLOAT K F N
HRANDFIELD K C
HRANDFIELD K C WITHVALUES
HSCAN K 0 COUNT 1000
HSCAN K 0 COUNT 1000 MATCH 1*
SADD K F [F]
SADD K N [N]
SADD K N [N]
SREM K F [F]
SISMEMBER K F
SMISMEMBER K F [F]
SCARD K
SMEMBERS K
SMOVE K K F
SPOP K C
SRANDMEMBER K C
SSCAN K 0 COUNT 1000
SINTER K [K]
SUNION K [K]
SDIFF K [K]
SINTERSTORE K K [K]
SUNIONSTORE K K [K]
SDIFFSTORE K K [K]
SDIFFSTORE K K [K]
SINTERCARD 2 K K
SINTERCARD 2 K K LIMIT N
OBJECT ENCODING K
OBJECT ENCODING K
TYPE K
DEL K
PEXPIRE K 31
PTTL K
SET K v`), "\n")

// collectionCommand fills in a template.
func collectionCommand(r *rand.Rand) [][]byte {
	line, rest, _ := strings.Cut(collectionCommands[r.IntN(len(collectionCommands))], "[")
	words := strings.Fields(line)
	if more, _, ok := strings.Cut(rest, "]"); ok {
		for range r.IntN(6) {
			words = append(words, strings.Fields(more)...)
		}
	}
	number := func() string {
		if r.IntN(30) == 0 {
			return hostileNumbers[r.IntN(len(hostileNumbers))]
		}
		return fmt.Sprint(r.IntN(40) - 5)
	}
	for i, w := range words {
		switch w {
		case "K":
			// Sets, hashes, and one key that is anything.
			words[i] = fmt.Sprintf("%c%d", "shx"[r.IntN(3)], r.IntN(5))
			if i == 1 && r.IntN(10) > 0 {
				words[i] = fmt.Sprintf("%c%d", strings.ToLower(words[0])[0], r.IntN(5))
			}
		case "F":
			switch r.IntN(8) {
			case 0:
				words[i] = number()
			case 1:
				words[i] = strings.Repeat("y", 60+r.IntN(8))
			default:
				words[i] = fmt.Sprint("f", r.IntN(12))
			}
		case "N":
			words[i] = number()
		case "C":
			// Zero, or everything: what is between is a matter of chance.
			words[i] = []string{"0", "0", "100000", "9223372036854775807", "x", "-9223372036854775808"}[r.IntN(6)]
		}
	}
	args := make([][]byte, len(words))
	for i, w := range words {
		args[i] = []byte(w)
	}
	return args
}

var hostileNumbers = []string{"9223372036854775807", "-9223372036854775808", "9223372036854775808", "1.5", "0x10", "inf", "nan", "-0", "01", "70000", "-3000000000", "1e3"}

// TestCollectionsOnRedis runs the same random commands here and on redis-server
// and compares replies and events; the order of elements aside, both are the
// same, encodings included. Both replicas agree all along.
func TestCollectionsOnRedis(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 3))
	redis := startRedis(t, true)
	commands := 0
	for deadline := time.Now().Add(time.Second); commands < 300 || time.Now().Before(deadline); {
		redis.reset(t)
		redis.setEvents(true)
		p := &pairRunner{pair: newPair(t, Options{})}
		for _, set := range []scriptRunner{p, redis} {
			set.setLimit("set-max-intset-entries", "12")
			set.setLimit("hash-max-listpack-entries", "8")
		}
		now := int64(scriptTime)
		p.setTime(now)
		redis.setTime(now) // it still has the time at which the last round ended
		for range 300 {
			if r.IntN(20) == 0 {
				// Even steps and odd expiries: Redis still serves a key in the very
				// millisecond of its expiry.
				now += 2 * r.Int64N(20)
				p.setTime(now)
				redis.setTime(now)
				// What has expired is deleted on both sides.
				p.apply(1000)
				for i := range 5 {
					redis.run(0, [][]byte{[]byte("EXISTS"), fmt.Append(nil, "s", i), fmt.Append(nil, "h", i), fmt.Append(nil, "x", i)})
				}
			}
			if r.IntN(20) == 0 {
				proto := 2 + r.IntN(2)
				p.setProto(proto)
				redis.setProto(proto)
			}
			args := collectionCommand(r)
			p.events = [2][]string{}
			reply := p.do(0, args)
			events := p.events[0]
			got, _ := render(reply, true)
			reply, wantEvents := redis.run(0, args)
			want, _ := render(reply, true)
			if !slices.Equal(got, want) {
				t.Fatalf("%q:\n%s\n-- redis-server:\n%s", args, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			if !slices.Equal(events, wantEvents) {
				t.Fatalf("%q announces %q, redis-server %q", args, events, wantEvents)
			}
			commands++
		}
		p.compare()
	}
	t.Logf("%d commands", commands)
	if commands < 300 {
		t.Errorf("only %d commands", commands)
	}
}
