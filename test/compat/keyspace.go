package compat

import (
	"slices"
	"strconv"
	"strings"

	"github.com/quorate/quorate/test/wire"
)

const databases = 16

// values says how the whole value of a key of each type is read and compared.
var values = map[string]struct {
	args   []string // around the key, which follows the first word
	policy policy
}{
	"string": {[]string{"GET"}, exact},
	"list":   {[]string{"LRANGE", "0", "-1"}, exact},
	"zset":   {[]string{"ZRANGE", "0", "-1", "WITHSCORES"}, exact},
	"set":    {[]string{"SMEMBERS"}, unordered},
	"hash":   {[]string{"HGETALL"}, pairs},
}

// distances is the key that the family geo stores distances at, in any case.
const distances = "geo:3"

// compareKeyspaces compares all databases: the keys, and for each its type,
// encoding, value, and whether it will expire.
func (p *Pair) compareKeyspaces() (*Difference, error) {
	for db := range databases {
		if d, err := p.compareDatabase(strconv.Itoa(db)); d != nil || err != nil {
			return d, err
		}
	}
	return nil, nil
}

func (p *Pair) compareDatabase(db string) (*Difference, error) {
	check := func(pol policy, args ...string) (wire.Reply, *Difference, error) {
		b, err := p.ask(p.oracle, db, args...)
		if err != nil {
			return b, nil, err
		}
		a, err := p.ask(p.sut, db, args...)
		if err == nil && !agree(pol, args[0], a, b) {
			return b, difference(0, Step{Args: args}, a, b, "in database "+db+" after all commands"), nil
		}
		return b, nil, err
	}
	names, d, err := check(unordered, "KEYS", "*")
	if d != nil || err != nil {
		return d, err
	}
	keys := names.Strings()
	slices.Sort(keys)
	for _, k := range keys {
		kind, d, err := check(exact, "TYPE", k)
		if d != nil || err != nil {
			return d, err
		}
		v, known := values[string(kind.Str)]
		if !known {
			continue
		}
		pol := v.policy
		if strings.EqualFold(k, distances) && string(kind.Str) == "zset" {
			pol = nearScores
		}
		if _, d, err = check(pol, append([]string{v.args[0], k}, v.args[1:]...)...); d != nil || err != nil {
			return d, err
		}
		if string(kind.Str) == "stream" {
			if _, d, err = check(timesInside, "XINFO", "STREAM", k, "FULL", "COUNT", "0"); d != nil || err != nil {
				return d, err
			}
		}
		if !p.IgnoreEncoding {
			if _, d, err = check(exact, "OBJECT", "ENCODING", k); d != nil || err != nil {
				return d, err
			}
		}
		if _, d, err = check(timeLeft, "PTTL", k); d != nil || err != nil {
			return d, err
		}
	}
	return nil, nil
}
