package compat

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/quorate/quorate/test/wire"
)

// runAlone runs a step whose policy asks or changes more than the command. In a
// transaction such a command is left out: its reply could not be judged.
func (p *Pair) runAlone(ctx context.Context, s Step) (*Difference, error) {
	pol := policyOf(s)
	if pol == waiting {
		select {
		case <-ctx.Done():
		case <-time.After(s.Pause):
		}
		return nil, nil
	}
	if p.multi[s.Conn] {
		return nil, nil
	}
	switch pol {
	case popped, chosen:
		return p.runRandom(s, pol == popped)
	case iteration:
		return p.runIteration(s)
	case keyCount:
		return p.runUntilEqual(ctx, s)
	}
	sut, oracle, err := p.both(s, s.Args...)
	if err != nil {
		return nil, err
	}
	if pol == anyKeyName && sut.Kind == oracle.Kind && sut.Null == oracle.Null && !oracle.Null && !oracle.IsError() {
		names, err := p.ask(p.oracle, p.db[s.Conn], "KEYS", "*")
		if err != nil {
			return nil, err
		}
		if !contains(names.Strings(), []string{string(sut.Str)}, false) {
			return difference(0, s, sut, oracle, "redis has no such key"), nil
		}
		return nil, nil
	}
	if !agree(exact, s.name(), sut, oracle) {
		return difference(0, s, sut, oracle, ""), nil
	}
	if pol == newDatabase && !oracle.IsError() {
		p.db[s.Conn] = strings.TrimLeft(s.Args[1], "+0")
		if p.db[s.Conn] == "" {
			p.db[s.Conn] = "0"
		}
	}
	return nil, nil
}

// runUntilEqual repeats a command that counts keys for a while: expired keys
// are counted until something deletes them.
func (p *Pair) runUntilEqual(ctx context.Context, s Step) (*Difference, error) {
	const tries, between = 40, 50 * time.Millisecond
	for try := 0; ; try++ {
		sut, oracle, err := p.both(s, s.Args...)
		if err != nil || agree(exact, s.name(), sut, oracle) {
			return nil, err
		}
		if try == tries {
			return difference(0, s, sut, oracle, "not equal after two seconds either"), nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(between):
		}
	}
}

// collections maps the commands with random replies to what lists everything
// they may choose from, and to the number of replies that make one choice.
var collections = map[string][]string{
	"SPOP": {"SMEMBERS"}, "SRANDMEMBER": {"SMEMBERS"}, "HRANDFIELD": {"HGETALL"}, "ZRANDMEMBER": {"ZRANGE", "0", "-1", "WITHSCORES"},
}

// runRandom checks that both replies choose from what redis had before: the same
// number of elements, without repetition unless the count is negative. After
// SPOP the sets are made equal again.
func (p *Pair) runRandom(s Step, pop bool) (*Difference, error) {
	db := p.db[s.Conn]
	var before wire.Reply
	if len(s.Args) > 1 {
		list := collections[s.name()]
		var err error
		// Asked on the step's connection, so that scores look as in its replies.
		before, err = p.oracle.conns[s.Conn].Do(append([]string{list[0], s.Args[1]}, list[1:]...)...)
		if err != nil {
			return nil, err
		}
	}
	sut, oracle, err := p.both(s, s.Args...)
	if err != nil {
		return nil, err
	}
	if string(sut.Raw) == string(oracle.Raw) {
		return nil, nil
	}
	if sut.Kind != oracle.Kind || sut.Null != oracle.Null || oracle.IsError() || len(sut.Elems) != len(oracle.Elems) {
		return difference(0, s, sut, oracle, ""), nil
	}
	all, width := choices(s, before)
	noRepeat := len(s.Args) < 3 || !strings.HasPrefix(s.Args[2], "-")
	got, want := chosenFrom(sut, width), chosenFrom(oracle, width)
	if !contains(all, got, noRepeat) {
		return difference(0, s, sut, oracle, fmt.Sprintf("not a choice from %.300q", all)), nil
	}
	if !contains(all, want, noRepeat) {
		return nil, fmt.Errorf("redis: %s chose %q from %q: this test is wrong", s, want, all)
	}
	if !pop {
		return nil, nil
	}
	return p.equalise(s, db)
}

// choices lists the choices of a random command as texts, and how many members
// of its reply make up one of them.
func choices(s Step, before wire.Reply) (all []string, width int) {
	width = 1
	if len(s.Args) > 3 {
		width = 2 // WITHVALUES, WITHSCORES
	}
	flat := flatten(before)
	step := 1
	if s.name() == "HRANDFIELD" || s.name() == "ZRANDMEMBER" {
		step = 2
	}
	for i := 0; i+step <= len(flat); i += step {
		text := flat[i]
		if width == 2 && step == 2 {
			text += "\x00" + flat[i+1]
		}
		all = append(all, text)
	}
	return all, width
}

func chosenFrom(r wire.Reply, width int) []string {
	if !r.IsAggregate() {
		return []string{string(r.Str)}
	}
	flat := flatten(r)
	var out []string
	for i := 0; i+width <= len(flat); i += width {
		out = append(out, strings.Join(flat[i:i+width], "\x00"))
	}
	return out
}

// flatten returns the payloads of all scalars, in order.
func flatten(r wire.Reply) []string {
	if !r.IsAggregate() {
		return []string{string(r.Str)}
	}
	var out []string
	for _, e := range r.Elems {
		out = append(out, flatten(e)...)
	}
	return out
}

// equalise rebuilds the set on both servers from redis's members. Both are
// rebuilt, because what a set has been decides its encoding.
func (p *Pair) equalise(s Step, db string) (*Difference, error) {
	key := s.Args[1]
	a, err := p.ask(p.sut, db, "SMEMBERS", key)
	if err != nil {
		return nil, err
	}
	b, err := p.ask(p.oracle, db, "SMEMBERS", key)
	if err != nil {
		return nil, err
	}
	if len(a.Elems) != len(b.Elems) {
		return difference(0, s, a, b, "what is left of the set differs in size"), nil
	}
	if len(b.Elems) == 0 {
		return nil, nil
	}
	due, err := p.ask(p.oracle, db, "PEXPIRETIME", key)
	if err != nil {
		return nil, err
	}
	repair := [][]string{{"DEL", key}, append([]string{"SADD", key}, b.Strings()...)}
	if ms, ok := due.Int(); ok && ms > 0 {
		repair = append(repair, []string{"PEXPIREAT", key, string(due.Str)})
	}
	for _, side := range []*side{p.sut, p.oracle} {
		for _, args := range repair {
			r, err := p.ask(side, db, args...)
			if err != nil {
				return nil, err
			}
			if r.IsError() {
				return difference(0, s, r, b, fmt.Sprintf("while making the sets equal again with %.200q", args)), nil
			}
		}
	}
	return nil, nil
}

// maxIteration bounds a cursor that never comes back to 0.
const maxIteration = 20_000

// runIteration follows the cursors of both servers to the end and compares all
// elements; elements may repeat, as Redis documents for SCAN.
func (p *Pair) runIteration(s Step) (*Difference, error) {
	sut, oracle, err := p.both(s, s.Args...)
	if err != nil {
		return nil, err
	}
	if string(sut.Raw) == string(oracle.Raw) {
		return nil, nil
	}
	at := 2 // position of the cursor
	width := 1
	switch s.name() {
	case "SCAN":
		at = 1
	case "HSCAN", "ZSCAN":
		width = 2
	}
	shape := func(r wire.Reply) bool {
		return r.Kind == '*' && len(r.Elems) == 2 && r.Elems[0].Kind == '$' && r.Elems[1].Kind == '*' && len(r.Elems[1].Elems)%width == 0
	}
	if !shape(sut) || !shape(oracle) {
		return difference(0, s, sut, oracle, ""), nil
	}
	if s.Args[at] != "0" {
		return nil, nil // a cursor of nobody's: any answer of the right shape will do
	}
	follow := func(c *wire.Conn, r wire.Reply) (all []wire.Reply, err error) {
		args := append([]string(nil), s.Args...)
		for range maxIteration {
			all = append(all, r.Elems[1].Elems...)
			if string(r.Elems[0].Str) == "0" {
				return all, nil
			}
			args[at] = string(r.Elems[0].Str)
			if r, err = c.Do(args...); err != nil {
				return nil, err
			}
			if !shape(r) {
				return nil, fmt.Errorf("%q answered to cursor %s", r.Raw, args[at])
			}
		}
		return nil, fmt.Errorf("the cursor did not come back to 0 in %d steps", maxIteration)
	}
	b, err := follow(p.oracle.conns[s.Conn], oracle)
	if err != nil {
		return nil, err
	}
	a, err := follow(p.sut.conns[s.Conn], sut)
	if err != nil {
		return nil, sutError{err}
	}
	got, want := distinct(a, width), distinct(b, width)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		return &Difference{Step: s, SUT: fmt.Sprintf("%.500q", got), Oracle: fmt.Sprintf("%.500q", want),
			Note: "elements of the whole iteration"}, nil
	}
	return nil, nil
}
