package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/slots/hashslot"
)

// TakeOptions say what Take does.
type TakeOptions struct {
	From     Access
	To       string // see Single
	Force    bool   // replace what is there
	Users    bool   // take the users of ACL, too
	Progress io.Writer
}

const (
	// together is how many groups are fetched at the same time at the most.
	together = 4
	// patience is how long a group or a key may be tried in vain.
	patience = 60 * time.Second
	// attempts is how often a backup begins anew because slots have moved.
	attempts = 3
	// breaks is how often the transfer of a group may end in the middle.
	breaks = 10
)

// Take takes a backup of the server or cluster that From is part of.
//
// Each group's state is one to which its leader has confirmed by a majority, after it was asked,
// that it has everything that was acknowledged. Every group is a cut of its own;
// a transaction is in one group and so in the backup as a whole or not at all.
func Take(ctx context.Context, o TakeOptions) (m *Manifest, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	o.To = filepath.Clean(o.To)
	if o.Users && Single(o.To) {
		return nil, errUsersNoPlace
	}
	to, err := openLocal(o.To, o.Force)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, to.Abort()) }()
	show := newProgress(o.Progress)
	defer show.end()
	t := &taking{to: to, single: Single(o.To), dir: filepath.Dir(o.To), show: show}
	m = &Manifest{Format: manifestFormat, Began: time.Now().UTC().Truncate(time.Millisecond)}
	if t.top, err = discover(ctx, o.From); err != nil {
		return nil, err
	}
	if m.Server, m.Cluster, err = about(ctx, o.From); err != nil {
		return nil, err
	}
	if o.Users {
		users, err := t.top.users(ctx)
		if err == nil {
			err = t.writeUsers(users, m)
		}
		if err != nil {
			return nil, err
		}
	}
	for attempt := 1; ; attempt++ {
		show.begin("backup", 0)
		err = t.all(ctx)
		if !errors.Is(err, errMoving) || attempt == attempts {
			break
		}
		show.say("%v: beginning anew", err)
		t.drop()
	}
	defer t.drop()
	if err == nil {
		err = t.finish(m)
	}
	if err != nil {
		return nil, err
	}
	return m, to.Commit()
}

// about asks a server for its version and cluster.
func about(ctx context.Context, a Access) (version, cluster string, err error) {
	c, err := a.dial(ctx, a.Addr)
	if err != nil {
		return "", "", err
	}
	defer c.close()
	r, err := c.do("INFO", "server", "quorate")
	for line := range strings.Lines(string(r.text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch name {
		case "quorate_version":
			version = value
		case "cluster_id":
			cluster = value
		}
	}
	return version, cluster, err
}

// taking is a backup under way.
type taking struct {
	top    *topology
	to     destination
	single bool
	dir    string // for files without a name
	show   *progress

	mu       sync.Mutex
	parts    []*fetched
	reserved map[uint32]bool // groups that are there or under way
}

// fetched is the file of one group, as it was fetched.
type fetched struct {
	Part
	slots     fsm.SlotSet
	head      int64 // bytes in front of the keys
	libraries []string
	spool     *os.File // of a backup in one file
	reserved  bool
}

var (
	errMoving    = errors.New("slots have moved while the backup was taken")
	errDuplicate = errors.New("the group is there already")
)

// all fetches groups until every slot is there.
func (t *taking) all(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for {
		have, err := t.covered()
		if err != nil {
			return err
		}
		first := t.top.starts(func(slot int) bool { return !have.Has(uint16(slot)) })
		if len(first) == 0 {
			return nil
		}
		var wg sync.WaitGroup
		turn := make(chan struct{}, together)
		failed := make([]error, len(first))
		for i, slot := range first {
			// Ends when the group is there or given up; waited for below.
			wg.Go(func() {
				turn <- struct{}{}
				defer func() { <-turn }()
				if failed[i] = t.group(ctx, slot); failed[i] != nil {
					cancel()
				}
			})
		}
		wg.Wait()
		if err := firstCause(failed); err != nil {
			return err
		}
	}
}

// firstCause returns an error, one that isn't of being told to stop if there is any.
func firstCause(all []error) (err error) {
	for _, e := range all {
		if e != nil && (err == nil || errors.Is(err, context.Canceled)) {
			err = e
		}
	}
	return err
}

// covered returns the slots that are there.
func (t *taking) covered() (have fsm.SlotSet, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.parts {
		for i := range have {
			if have[i]&p.slots[i] != 0 {
				return have, errMoving
			}
			have[i] |= p.slots[i]
		}
	}
	return have, nil
}

// group fetches the group that serves a slot, from whoever leads it.
func (t *taking) group(ctx context.Context, slot int) error {
	since, broken := time.Now(), 0
	addr, told := t.top.of(slot), ""
	for {
		p, got, err := t.fetch(ctx, addr, slot)
		if got > 0 && broken < breaks { // it was there, however long that took
			since = time.Now()
			broken++
		}
		switch next, elsewhere := moved(err); {
		case err == nil:
			t.mu.Lock()
			t.parts = append(t.parts, p)
			t.mu.Unlock()
			if !p.slots.Has(uint16(slot)) {
				return fmt.Errorf("slot %d isn't among those that %s sent: %w", slot, addr, errMoving)
			}
			return nil
		case errors.Is(err, errDuplicate):
			return nil
		case elsewhere:
			t.top.tell(slot, next)
			addr = next
			if !again(ctx, since, patience) {
				return err
			}
		case !isPassing(err) || ctx.Err() != nil || !again(ctx, since, patience):
			return fmt.Errorf("slot %d: %w", slot, errors.Join(ctx.Err(), err))
		default:
			if text := err.Error(); text != told {
				t.show.say("slot %d: %s: trying again", slot, text)
				told = text
			}
			if t.top.refresh(ctx) == nil {
				addr = t.top.of(slot)
			}
		}
	}
}

// fetch fetches a group from a server. It returns how many bytes of it came.
func (t *taking) fetch(ctx context.Context, addr string, slot int) (p *fetched, n int64, err error) {
	c, err := t.top.access.dial(ctx, addr)
	if err != nil {
		return nil, 0, err
	}
	defer c.close()
	if _, err := c.do("REPLCONF", "quorate-slot", fmt.Sprint(slot)); err != nil {
		var r refusal
		if errors.As(err, &r) && strings.Contains(r.text, "Unrecognized REPLCONF option") {
			err = fmt.Errorf("it is no Quorate, or an old one: %w", err)
		}
		return nil, 0, err
	}
	c.sendWords("SYNC")
	if err := c.flush(); err != nil {
		return nil, 0, err
	}
	size, err := c.bulk()
	if err != nil {
		return nil, 0, err
	}
	t.show.add(0, size)
	p = &fetched{Part: Part{Bytes: size}}
	got := &tally{}
	defer func() {
		if err != nil { // what came counts for nothing
			t.show.add(-got.n, -size)
			t.giveUp(p)
		}
	}()
	err = p.receive(c.r, size, got, t)
	return p, got.n, err
}

// bulk reads the header of a reply that is a file.
func (c *conn) bulk() (size int64, err error) {
	line, err := c.line()
	if err != nil {
		return 0, err
	}
	if line[0] == '-' {
		return 0, refusal{c.addr, string(line[1:])}
	}
	if _, err := fmt.Sscanf(string(line), "$%d", &size); err != nil || size < 0 {
		return 0, fmt.Errorf("%w: %.80q", errBadReply, line)
	}
	return size, nil
}

func (p *fetched) drop() {
	if p.spool != nil {
		p.spool.Close()
		p.spool = nil
	}
}

// drop forgets what was fetched.
func (t *taking) drop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.parts {
		p.drop()
	}
	t.parts, t.reserved = nil, nil
}

// finish puts the backup together out of what was fetched.
func (t *taking) finish(m *Manifest) error {
	slices.SortFunc(t.parts, func(a, b *fetched) int { return cmp.Compare(lowest(&a.slots), lowest(&b.slots)) })
	for _, p := range t.parts {
		m.Keys, m.Expires = m.Keys+p.Keys, m.Expires+p.Expires
		m.Groups = append(m.Groups, p.Part)
	}
	libraries := t.libraries()
	if t.single {
		return t.writeSingle(m, libraries)
	}
	for _, p := range t.parts {
		m.Bytes += p.Bytes
	}
	m.TookMs = time.Since(m.Began).Milliseconds()
	f, err := t.to.Create(manifestName)
	if err != nil {
		return err
	}
	_, err = f.Write(m.encode())
	return errors.Join(err, f.Close())
}

func lowest(s *fsm.SlotSet) int {
	for i := range hashslot.Count {
		if s.Has(uint16(i)) {
			return i
		}
	}
	return hashslot.Count
}
