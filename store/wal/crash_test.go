package wal

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/raft"
)

const crashSegment = 8 << 10

// run drives a log on a disk with random operations and knows what the log may
// hold after a crash.
type run struct {
	d      *disk
	w      *WAL
	r      *rand.Rand
	policy Sync
	term   uint64
	now    model
	may    []model // what a crash can leave beside now: what was not synced
}

func (x *run) open() (err error) {
	x.w, err = Open("dir", Options{SegmentBytes: crashSegment, Sync: x.policy, fs: x.d})
	return err
}

// operation returns a random operation and what the log holds after it.
func (x *run) operation() (what string, do func() error, after model) {
	r := x.r
	g := uint32(r.IntN(4))
	if g == 3 && r.IntN(8) > 0 {
		g = 0 // 3 is idle: its entries are copied again and again
	}
	l, have := x.w.Group(g), x.now[g]
	after = maps.Clone(x.now)
	switch n := r.IntN(20); {
	case n < 13 || len(have) == 0:
		next := uint64(1)
		if len(have) > 0 {
			next = have[len(have)-1].Index + 1
			if r.IntN(12) == 0 {
				next += 5 // behind an installed snapshot
				have = nil
			}
		} else if r.IntN(2) == 0 {
			next = uint64(1 + r.IntN(1000))
		}
		if len(have) > 3 && r.IntN(6) == 0 {
			x.term++
			cut := 1 + r.IntN(3)
			have = have[:len(have)-cut]
			next -= uint64(cut)
		}
		size := 400
		if r.IntN(25) == 0 {
			size = crashSegment // has a segment of its own
		}
		var logs []*raft.Log
		for range 1 + r.IntN(3) {
			logs = append(logs, entry(next, x.term, r.IntN(size)))
			next++
		}
		after[g] = append(have[:len(have):len(have)], logs...)
		return "store", func() error { return l.StoreLogs(logs) }, after
	case n < 17:
		k := r.IntN(len(have))
		if g != 3 && r.IntN(2) == 0 {
			k = len(have) - 1
		}
		after[g] = have[k+1:]
		return "trim", func() error { return l.DeleteRange(have[0].Index, have[k].Index) }, after
	case n == 17:
		k := r.IntN(len(have))
		after[g] = have[:k]
		x.term++
		return "truncate", func() error { return l.DeleteRange(have[k].Index, have[len(have)-1].Index) }, after
	case n == 18 && r.IntN(3) == 0:
		delete(after, g)
		return "drop", func() error { return x.w.Drop(g) }, after
	case n == 19 && r.IntN(2) == 0:
		return "reopen", func() error {
			if err := x.w.Close(); err != nil {
				return err
			}
			return x.open()
		}, after
	default:
		p := []Sync{Always, x.policy, x.policy}[r.IntN(3)]
		return "policy", func() error { return x.w.SetSync(p) }, after
	}
}

// steps runs n operations, up to the first error.
func (x *run) steps(n int) error {
	for range n {
		what, do, after := x.operation()
		x.may = append(x.may, x.now)
		err := do()
		if err != nil {
			x.may = append(x.may, after) // its batch may be there, whole
			return err
		}
		x.now = after
		// A log that is closed and opened again is synced; so is one that is always
		// or was just told to be.
		if x.w.sync() == Always || what == "reopen" {
			x.may = nil
		}
	}
	return nil
}

// holds returns an error unless the log holds what one of the models says. That is
// then what it must hold.
func (x *run) holds() error {
	var first error
	for _, m := range append([]model{x.now}, x.may...) {
		err := m.compare(x.w)
		if err == nil {
			x.now, x.may = m, nil
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return fmt.Errorf("none of %d allowed states is there; against the last one: %w", len(x.may)+1, first)
}

// compare returns how the log differs from the model.
func (m model) compare(w *WAL) error {
	for g := range uint32(4) {
		want, l := m[g], w.Group(g)
		first, _ := l.FirstIndex()
		last, _ := l.LastIndex()
		if len(want) == 0 {
			if first != 0 || last != 0 {
				return fmt.Errorf("group %d has %d to %d, want nothing", g, first, last)
			}
			continue
		}
		if first != want[0].Index || last != want[len(want)-1].Index {
			return fmt.Errorf("group %d has %d to %d, want %d to %d", g, first, last, want[0].Index, want[len(want)-1].Index)
		}
		for _, e := range want {
			var got raft.Log
			if err := l.GetLog(e.Index, &got); err != nil {
				return fmt.Errorf("group %d, entry %d: %w", g, e.Index, err)
			}
			if got.Term != e.Term || !bytes.Equal(got.Data, e.Data) || !bytes.Equal(got.Extensions, e.Extensions) {
				return fmt.Errorf("group %d, entry %d differs", g, e.Index)
			}
		}
	}
	return nil
}

// trial is one run with a fault in it.
type trial struct {
	seed    uint64
	policy  Sync
	direct  bool
	at      int // the step
	fail    bool
	variant uint64
	lie     func(string) bool
}

const crashOps = 60

// do runs the trial. point is where it struck, "" if the run had fewer steps; again
// are the points of the recovery at which the power failed once more.
func (c trial) do() (point string, again []string, err error) {
	r := rand.New(rand.NewPCG(c.seed, 1))
	x := &run{d: newDisk(c.direct), r: r, policy: c.policy, now: model{}, term: 1}
	x.d.lie = c.lie
	if c.fail {
		x.d.failAt = c.at
	} else {
		x.d.crashAt = c.at
	}
	err = x.open()
	if err == nil {
		if err = x.steps(crashOps); err == nil {
			if err = x.w.Close(); err == nil {
				x.may = nil
			}
		}
	}
	x.d.mu.Lock()
	point = x.d.point
	x.d.mu.Unlock()
	if err != nil && !errors.Is(err, errPower) && !errors.Is(err, errDisk) {
		return point, nil, fmt.Errorf("before the crash: %w", err)
	}
	if err != nil && x.w != nil && c.fail {
		// Nothing is written after a failure, once the spare that is being made is.
		x.w.mu.Lock()
		for x.w.making {
			x.w.idle.Wait()
		}
		x.w.mu.Unlock()
		before := x.d.steps
		if err := x.w.Group(1).StoreLog(entry(1, 1, 1)); err == nil {
			return point, nil, errors.New("a log that has failed takes an entry")
		}
		if err := x.w.Group(0).DeleteRange(0, 1<<40); err == nil && len(x.now[0]) > 0 {
			return point, nil, errors.New("a log that has failed takes a truncation")
		}
		if x.d.steps != before {
			return point, nil, errors.New("a log that has failed writes")
		}
	}
	if err != nil && x.w != nil {
		_ = x.w.Close() // ends its goroutines; reaches nothing, or must do no harm
	}
	again, err = c.recovers(x)
	return point, again, err
}

// recovers opens the log after the crash: there must be what was acknowledged, also
// when the power fails again while it is opened, and right after that.
func (c trial) recovers(x *run) (again []string, err error) {
	r := rand.New(rand.NewPCG(c.seed, uint64(c.at)<<8|c.variant))
	crash := func() {
		x.d = x.d.afterPowerFailure(r)
	}
	if c.fail || c.variant%3 == 2 {
		x.d = x.d.killed() // the process alone has died, the power fails later
	} else {
		crash()
	}
	for range 2 {
		x.d.crashAt = 1 + r.IntN(12)
		err := x.open()
		if err == nil {
			x.d.crashAt = 0
			break
		}
		if !errors.Is(err, errPower) {
			return again, fmt.Errorf("open: %w", err)
		}
		again = append(again, x.d.point)
		crash()
		x.w = nil
	}
	x.d.mu.Lock()
	down := x.d.down
	x.d.mu.Unlock()
	if x.w == nil || down {
		if x.w != nil {
			_ = x.w.Close()
			crash()
		}
		x.d.crashAt = 0
		if err := x.open(); err != nil {
			return again, fmt.Errorf("open after two crashes: %w", err)
		}
	}
	if err := x.holds(); err != nil {
		return again, err
	}
	// What was found there is part of the node's log from now on.
	x.policy = Always
	for round := range 2 {
		crash()
		_ = x.w.Close()
		if err := x.open(); err != nil {
			return again, fmt.Errorf("open again, round %d: %w", round, err)
		}
		if err := x.holds(); err != nil {
			return again, fmt.Errorf("after another power failure, round %d: %w", round, err)
		}
		if err := x.steps(1 + r.IntN(12)); err != nil {
			return again, fmt.Errorf("going on, round %d: %w", round, err)
		}
	}
	if err := x.w.Close(); err != nil {
		return again, err
	}
	if err := x.open(); err != nil {
		return again, fmt.Errorf("open at the end: %w", err)
	}
	defer x.w.Close()
	return again, x.holds()
}

// matrix runs the trials of a seed at every step, and calls report for each.
func matrix(seed uint64, policy Sync, direct, fail bool, variants uint64, lie func(string) bool, report func(c trial, point string, again []string, err error) (goOn bool)) {
	c := trial{seed: seed, policy: policy, direct: direct, fail: fail, lie: lie}
	for c.at = 1; ; c.at++ {
		for c.variant = range variants {
			point, again, err := c.do()
			if point == "" && err == nil || !report(c, point, again, err) {
				return
			}
		}
	}
}

// crashPoints are the steps at which a crash must have been tried: what the log was
// doing, and the operation. The power failed again at those of the recovery.
var crashPoints = []string{
	"Close: sync",
	"Open fromDisk: sync",
	"Open removeSpares: remove",
	"Open rotate spareLocked: create",
	"Open rotate spareLocked: sync",
	"Open rotate spareLocked: write",
	"Open rotate: rename",
	"Open rotate: sync of the directory",
	"Open wipe: sync",
	"Open wipe: write",
	"SetSync: sync",
	"makeSpareLocked: create",
	"makeSpareLocked: sync",
	"makeSpareLocked: write",
	"put: direct write",
	"put: sync",
	"put: write",
	"recovery: Open fromDisk: sync",
	"recovery: Open removeSpares: remove",
	"recovery: Open rotate spareLocked: create",
	"recovery: Open rotate spareLocked: sync",
	"recovery: Open rotate spareLocked: write",
	"recovery: Open rotate: rename",
	"recovery: Open rotate: sync of the directory",
	"recovery: Open wipe: sync",
	"recovery: Open wipe: write",
	"releaseOldest discard: remove",
	"releaseOldest discard: rename",
	"releaseOldest discard: sync",
	"releaseOldest discard: sync of the directory",
	"releaseOldest discard: write",
	"releaseOldest put: direct write",
	"releaseOldest put: write",
	"releaseOldest put: sync",
	"releaseOldest: sync",
	"roomLocked rotate spareLocked: create",
	"roomLocked rotate spareLocked: sync",
	"roomLocked rotate spareLocked: write",
	"roomLocked rotate: rename",
	"roomLocked rotate: sync of the directory",
	"roomLocked: sync",
}

// TestCrashMatrix has the power fail, or the process die, at every step of random
// runs. What was acknowledged must be there, nothing else may be, and the log must
// open by itself, also when the power fails again meanwhile.
func TestCrashMatrix(t *testing.T) {
	base := rand.Uint64()
	t.Logf("seed %d", base)
	hit := map[string]int{}
	trials, rounds := 0, 3
	if testing.Short() {
		rounds = 1
	}
	missing := func() (points []string) {
		for _, p := range crashPoints {
			if hit[p] == 0 {
				points = append(points, p)
			}
		}
		return points
	}
	// A round may by chance have no step of a kind; a few more will.
	for i := 0; i < 4*rounds || i < 60 && len(missing()) > 0; i++ {
		policy, direct := []Sync{Always, Always, EverySecond, Never}[i%4], i%2 == 0
		matrix(base+uint64(i), policy, direct, false, 3, nil, func(c trial, point string, again []string, err error) bool {
			hit[point]++
			for _, p := range again {
				hit["recovery: "+p]++
			}
			trials++
			if err != nil {
				t.Errorf("%s, at %s: %v", c, point, err)
			}
			return err == nil
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%d crashes", trials)
	for _, p := range missing() {
		t.Errorf("no crash at %q", p)
	}
	for _, p := range slices.Sorted(maps.Keys(hit)) {
		plain := strings.TrimPrefix(p, "releaseOldest ") // a copy's batch can begin a segment
		if p != "" && !slices.Contains(crashPoints, p) && !slices.Contains(crashPoints, plain) {
			t.Errorf("crashPoints lacks %q", p)
		}
	}
}

// String says how to repeat the trial.
func (c trial) String() string {
	return fmt.Sprintf("seed %d, policy %d, direct %v, step %d, variant %d", c.seed, c.policy, c.direct, c.at, c.variant)
}

// TestCrashMatrixFindsBugs leaves steps out that the log relies on: each time the
// matrix must find out. What a step is for can be read here.
func TestCrashMatrixFindsBugs(t *testing.T) {
	if testing.Short() {
		t.Skip("a test of the test")
	}
	at := func(points ...string) func(string) bool {
		return func(p string) bool { return slices.Contains(points, p) }
	}
	for _, bug := range []struct {
		what   string
		policy Sync
		direct bool
		lie    func(point string) bool
	}{
		{"a batch isn't synced", Always, false, at("put: sync")},
		{"a direct write isn't synced", Always, true, at("put: direct write")},
		{"the directory isn't synced behind a new segment", Always, true, at("roomLocked rotate: sync of the directory")},
		{"the directory isn't synced behind a segment that is given up", Always, true, at("releaseOldest discard: sync of the directory")},
		{"a spare keeps its salt", Always, true, at("releaseOldest discard: write")},
		{"a spare's salt isn't synced", Always, true, at("releaseOldest discard: sync")},
		{"a new segment isn't synced", Always, true, at("roomLocked rotate spareLocked: sync", "makeSpareLocked: sync")},
		{"what is read after a kill isn't synced", Always, false, at("Open fromDisk: sync")},
		{"a torn end isn't wiped", EverySecond, false, at("Open wipe: write")},
		{"the wiping isn't synced", EverySecond, true, at("Open wipe: sync")},
		{"a segment begins before the one before it is synced", EverySecond, false, at("roomLocked: sync")},
		{"a segment is given up before its copies are synced", EverySecond, false, at("releaseOldest: sync")},
		{"a change to always syncs nothing", EverySecond, false, at("SetSync: sync")},
	} {
		t.Run(bug.what, func(t *testing.T) {
			trials := 0
			for seed := uint64(1); seed <= 60; seed++ {
				found := ""
				matrix(seed, bug.policy, bug.direct, false, 3, bug.lie, func(c trial, point string, _ []string, err error) bool {
					trials++
					if err != nil {
						found = fmt.Sprintf("%s, at %s: %v", c, point, err)
					}
					return err == nil
				})
				if found != "" {
					t.Logf("found by trial %d: %s", trials, found)
					return
				}
			}
			t.Errorf("not found by %d trials", trials)
		})
	}
}
