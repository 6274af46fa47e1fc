package compat

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/quorate/quorate/test/wire"
)

// Pair runs steps on both servers. Not safe for concurrent use.
type Pair struct {
	SUT, Oracle string // addresses
	Timeout     time.Duration
	// Pipeline is the largest number of commands sent before their replies are read.
	Pipeline int
	// IgnoreEncoding leaves OBJECT ENCODING and all that depends on it out.
	IgnoreEncoding bool

	sut, oracle *side
	multi       [connections]bool
	queued      [connections][]Step
	db          [connections]string
}

// side is the set of connections to one server.
type side struct {
	conns [connections]*wire.Conn
	aux   *wire.Conn // for questions and repairs, RESP2
	auxDB string
}

// Difference is the first reply in which the servers differed.
type Difference struct {
	Index       int // of the step; the number of steps if only the key space differs
	Step        Step
	SUT, Oracle string
	Note        string
}

func (d *Difference) String() string {
	return fmt.Sprintf("%s\n  under test: %s\n  redis:      %s\n  %s", d.Step, d.SUT, d.Oracle, d.Note)
}

func (p *Pair) connect(ctx context.Context) (err error) {
	open := func(addr string) *side {
		s := &side{auxDB: "0"}
		dial := func() *wire.Conn {
			c, e := wire.Dial(ctx, addr, p.Timeout)
			err = errors.Join(err, e)
			return c
		}
		for i := range s.conns {
			s.conns[i] = dial()
		}
		s.aux = dial()
		if err == nil {
			var r wire.Reply
			if r, err = s.conns[1].Do("HELLO", "3"); err == nil && r.IsError() {
				err = fmt.Errorf("%s: HELLO 3: %s", addr, r.Str)
			}
		}
		for _, clean := range [][]string{{"FLUSHALL"}, {"SCRIPT", "FLUSH"}, {"FUNCTION", "FLUSH"}, append([]string{"CONFIG", "SET"}, settings...)} {
			var r wire.Reply
			if err != nil {
				break
			}
			if r, err = s.aux.Do(clean...); err == nil && r.IsError() {
				err = fmt.Errorf("%s: %q: %s", addr, clean, r.Str)
			}
		}
		return s
	}
	p.sut, p.oracle = open(p.SUT), open(p.Oracle)
	for i := range connections {
		p.multi[i], p.queued[i], p.db[i] = false, nil, "0"
	}
	return err
}

func (p *Pair) disconnect() {
	for _, s := range []*side{p.sut, p.oracle} {
		for _, c := range append(s.conns[:], s.aux) {
			if c != nil {
				c.Close()
			}
		}
	}
}

// Run empties both servers, runs the steps on new connections, and compares the
// key spaces. An error means that the comparison itself could not be made;
// what goes wrong on the connections to the server under test is a difference.
func (p *Pair) Run(ctx context.Context, steps []Step) (*Difference, error) {
	if err := p.connect(ctx); err != nil {
		p.disconnect()
		return nil, err
	}
	defer p.disconnect()
	sizes := rand.New(rand.NewPCG(uint64(len(steps)), 7))
	for i := 0; i < len(steps); {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := 1
		if !policyOf(steps[i]).alone() {
			for limit := 1 + sizes.IntN(p.Pipeline); n < limit && i+n < len(steps) &&
				steps[i+n].Conn == steps[i].Conn && !policyOf(steps[i+n]).alone(); n++ {
			}
		}
		var d *Difference
		var err error
		if n == 1 && policyOf(steps[i]).alone() {
			d, err = p.runAlone(ctx, steps[i])
		} else {
			d, err = p.runBatch(steps[i : i+n])
		}
		if err != nil {
			d, err = p.blame(err)
		}
		if d != nil || err != nil {
			if d != nil {
				d.Index += i
				if d.Step.Args == nil && d.Step.Pause == 0 {
					d.Step = steps[min(d.Index, len(steps)-1)]
				}
			}
			return d, err
		}
		i += n
	}
	d, err := p.compareKeyspaces()
	if err != nil {
		d, err = p.blame(err)
	}
	if d != nil {
		d.Index = len(steps)
	}
	return d, err
}

// sutError marks what failed on a connection to the server under test.
type sutError struct{ error }

func (p *Pair) blame(err error) (*Difference, error) {
	var s sutError
	if errors.As(err, &s) {
		return &Difference{SUT: s.Error(), Oracle: "(a reply)", Note: "the connection failed"}, nil
	}
	return nil, err
}

// runBatch sends the steps, all on one connection, in one piece to each server.
func (p *Pair) runBatch(batch []Step) (*Difference, error) {
	conn := batch[0].Conn
	a, b := p.sut.conns[conn], p.oracle.conns[conn]
	for _, s := range batch {
		a.Send(s.Args...)
		b.Send(s.Args...)
	}
	if err := a.Flush(); err != nil {
		return nil, sutError{err}
	}
	if err := b.Flush(); err != nil {
		return nil, err
	}
	for i, s := range batch {
		oracle, err := b.Receive()
		if err != nil {
			return nil, fmt.Errorf("redis: %s: %w", s, err)
		}
		sut, err := a.Receive()
		if err != nil {
			d, _ := p.blame(sutError{err})
			d.Index, d.Step = i, s
			return d, nil
		}
		ok, err := p.same(s, sut, oracle, len(batch) == 1)
		if err != nil {
			return nil, err
		}
		if !ok {
			return difference(i, s, sut, oracle, ""), nil
		}
		p.track(s, oracle)
	}
	return nil, nil
}

// same compares one reply. With strict, nothing has run since, so that the
// encoding can be asked for: compact collections have an order.
func (p *Pair) same(s Step, sut, oracle wire.Reply, strict bool) (bool, error) {
	if p.multi[s.Conn] {
		if s.name() == "EXEC" {
			return p.IgnoreEncoding && oracle.IsAggregate() && mentionsEncoding(p.queued[s.Conn]) ||
				agreeExec(p.queued[s.Conn], sut, oracle), nil
		}
		return agree(exact, s.name(), sut, oracle), nil
	}
	if p.IgnoreEncoding && s.name() == "OBJECT" && !oracle.IsError() {
		return true, nil
	}
	pol := policyOf(s)
	if !agree(pol, s.name(), sut, oracle) {
		return false, nil
	}
	ordered := s.name() == "SMEMBERS" || s.name() == "HGETALL" || s.name() == "HKEYS" || s.name() == "HVALS"
	if string(sut.Raw) == string(oracle.Raw) || !strict || !ordered || p.IgnoreEncoding {
		return true, nil
	}
	enc, err := p.ask(p.oracle, p.db[s.Conn], "OBJECT", "ENCODING", s.Args[1])
	return string(enc.Str) == "hashtable", err
}

func mentionsEncoding(queued []Step) bool {
	for _, q := range queued {
		if q.name() == "OBJECT" {
			return true
		}
	}
	return false
}

// track follows what the connection's state becomes by redis's reply.
func (p *Pair) track(s Step, oracle wire.Reply) {
	c := s.Conn
	switch {
	case !p.multi[c]:
		if s.name() == "MULTI" && !oracle.IsError() {
			p.multi[c], p.queued[c] = true, nil
		}
	case string(oracle.Raw) == "+QUEUED\r\n":
		p.queued[c] = append(p.queued[c], s)
	case s.name() == "EXEC" || s.name() == "DISCARD":
		if !strings.HasPrefix(string(oracle.Str), "ERR wrong number") {
			p.multi[c], p.queued[c] = false, nil
		}
	}
}

// ask runs a command beside the steps, in the database db.
func (p *Pair) ask(s *side, db string, args ...string) (wire.Reply, error) {
	var r wire.Reply
	var err error
	if s.auxDB != db {
		if r, err = s.aux.Do("SELECT", db); err == nil && r.IsError() {
			err = fmt.Errorf("SELECT %s: %s", db, r.Str)
		}
		s.auxDB = db
	}
	if err == nil {
		r, err = s.aux.Do(args...)
	}
	if err != nil && s == p.sut {
		err = sutError{err}
	}
	return r, err
}

// both runs the step's command on both servers.
func (p *Pair) both(s Step, args ...string) (sut, oracle wire.Reply, err error) {
	if sut, err = p.sut.conns[s.Conn].Do(args...); err != nil {
		return sut, oracle, sutError{err}
	}
	oracle, err = p.oracle.conns[s.Conn].Do(args...)
	return sut, oracle, err
}

const shownBytes = 600

// difference shows both replies as the bytes on the wire, shortened.
func difference(i int, s Step, sut, oracle wire.Reply, note string) *Difference {
	show := func(r wire.Reply) string {
		text := fmt.Sprintf("%q", r.Raw)
		if len(text) > shownBytes {
			text = text[:shownBytes] + "..."
		}
		return text
	}
	return &Difference{Index: i, Step: s, SUT: show(sut), Oracle: show(oracle), Note: note}
}
