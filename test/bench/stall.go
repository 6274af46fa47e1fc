package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/quorate/quorate/test/harness"
	"github.com/quorate/quorate/test/wire"
)

// Writes come at fixed times, whether those before have been answered or not, and a
// latency counts from the time at which a write was due. So a server that stands still
// for a second shows that to all writes of that second.

// stallClients is how many connections there are: more than are ever busy unless the
// server stands still.
const stallClients = 64

// stallWindow is what was measured for some time.
type stallWindow struct {
	hist    histogram
	longest time.Duration
	failed  int64
	before  int64 // resident bytes when it began
	peak    int64
	saves   int
}

// stallTarget is one server under measurement.
type stallTarget struct {
	restart
	without, with stallWindow
}

func stallTargets() []*stallTarget {
	of := func(name string, server harness.Kind, args ...string) *stallTarget {
		args = append(args, "--save", "", "--bind", "127.0.0.1")
		return &stallTarget{restart: restart{name: name, server: server, args: args}}
	}
	return []*stallTarget{
		of("quorate", harness.Quorate{}, "--appendfsync", "always", "--quorate-metrics-port", "0", "--quorate-snapshot-log-bytes", "1000gb"),
		of("redis AOF always", harness.Redis{}, "--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0"),
		of("redis no AOF", harness.Redis{}, "--appendonly", "no"),
	}
}

// runStall measures each server by itself.
func runStall(ctx context.Context, o options, out, progress io.Writer) (err error) {
	dir, err := os.MkdirTemp(o.dir, "quorate-stall-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var all []*stallTarget
	for i, t := range stallTargets() {
		t.dir = filepath.Join(dir, strconv.Itoa(i), "data")
		if err := os.MkdirAll(t.dir, 0o755); err != nil {
			return err
		}
		ports, err := harness.FreePorts(1, 0)
		if err != nil {
			return err
		}
		t.port = ports[0]
		err = t.measure(ctx, o, progress)
		if isMissing(err) {
			fmt.Fprintf(progress, "leaving out %s: %v\n", t.name, err)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		all = append(all, t)
	}
	what := fmt.Sprintf("%d keys, %d SET/s of %d bytes", o.stallKeys, o.stallRate, restartValueBytes)
	if o.stallInFour {
		what = fmt.Sprintf("a list, a set, a sorted set and a hash of %d elements in all, %d writes/s", o.stallKeys, o.stallRate)
	}
	fmt.Fprintf(out, "\n%s, latency from when a write was due, ms\n", what)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "server\tBGSAVE\twrites\tfailed\tp50\tp99\tp99.9\tmax\tMB before\tgrowth\t")
	for _, t := range all {
		t.without.print(w, t.name, "no")
		t.with.print(w, t.name, fmt.Sprint(t.with.saves))
	}
	return w.Flush()
}

func (s *stallWindow) print(w io.Writer, name, saves string) {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%.2f\t%.2f\t%.2f\t%.1f\t%.0f\t%.0f\t\n", name, saves, s.hist.total, s.failed, ms(s.hist.quantile(0.5)),
		ms(s.hist.quantile(0.99)), ms(s.hist.quantile(0.999)), ms(s.longest), float64(s.before)/1e6, float64(s.peak-s.before)/1e6)
}

func (t *stallTarget) measure(ctx context.Context, o options, progress io.Writer) (err error) {
	p, err := t.start()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Kill()) }()
	control, err := awaitReply(ctx, p, t.port, "PING")
	if err != nil {
		return err
	}
	defer control.Close()
	fmt.Fprintf(progress, "filling %s with %d keys or elements\n", t.name, o.stallKeys)
	write := stallWrite(setKey)
	if o.stallInFour {
		write = changeCollection
		err = fillCollections(control, o.stallKeys)
	} else {
		err = (&restartBench{keys: o.stallKeys}).fill(control)
	}
	if err != nil {
		return err
	}
	l := &openLoad{keys: o.stallKeys, one: write, every: time.Second / time.Duration(o.stallRate), addr: harness.Addr(t.port)}
	if err := l.start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	pause(ctx, o.window/2) // let it settle
	fmt.Fprintf(progress, "%s without a snapshot\n", t.name)
	err = l.window(&t.without, p.Pid(), func() error { pause(ctx, o.window); return ctx.Err() })
	if err != nil {
		return err
	}
	fmt.Fprintf(progress, "%s with snapshots\n", t.name)
	return l.window(&t.with, p.Pid(), func() error {
		for end := time.Now().Add(o.window); time.Now().Before(end) || t.with.saves == 0; t.with.saves++ {
			if err := saveInBackground(ctx, control); err != nil {
				return err
			}
		}
		return nil
	})
}

// saveInBackground has the server take a snapshot and waits for its end.
func saveInBackground(ctx context.Context, conn *wire.Conn) error {
	reply, err := conn.Do("BGSAVE")
	if err != nil || reply.IsError() {
		return fmt.Errorf("BGSAVE: %s %w", reply.Str, err)
	}
	for began := false; ; pause(ctx, 2*time.Millisecond) {
		reply, err := conn.Do("INFO", "persistence")
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		info := string(reply.Str)
		saving := strings.Contains(info, "rdb_bgsave_in_progress:1")
		if began && !saving {
			if !strings.Contains(info, "rdb_last_bgsave_status:ok") {
				return errors.New("BGSAVE failed")
			}
			return nil
		}
		began = began || saving
	}
}

// stallWrite returns the command of one write, n of the keys that there are.
type stallWrite func(n int, r *rand.Rand) []string

func setKey(n int, _ *rand.Rand) []string { return []string{"SET", restartKey(n), restartValue(n)} }

// changeCollection changes an element of one of the four collections, which stay as large as
// they are.
func changeCollection(n int, r *rand.Rand) []string {
	member := "member:" + strconv.Itoa(n)
	switch n % 4 {
	case 0:
		return []string{[]string{"RPUSH", "LPUSH"}[r.IntN(2)], "list", member}
	case 1:
		return []string{[]string{"SADD", "SREM"}[r.IntN(2)], "set", member}
	case 2:
		return []string{"ZADD", "zset", strconv.Itoa(r.IntN(1e6)), member}
	}
	return []string{"HSET", "hash", member, strconv.Itoa(r.IntN(1e6))}
}

// fillCollections makes the collections.
func fillCollections(conn *wire.Conn, elements int) error {
	const batch = 1000
	r := rand.New(rand.NewPCG(1, 3))
	names := [4]string{"list", "set", "zset", "hash"}
	for n := 0; n < elements; {
		args := [4][]string{{"RPUSH"}, {"SADD"}, {"ZADD"}, {"HSET"}}
		for kind := range args {
			args[kind] = append(args[kind], names[kind])
		}
		for end := min(n+4*batch, elements); n < end; n++ {
			kind, member := n%4, "member:"+strconv.Itoa(n)
			if kind == 2 {
				args[kind] = append(args[kind], strconv.Itoa(r.IntN(1e6)))
			}
			if args[kind] = append(args[kind], member); kind == 3 {
				args[kind] = append(args[kind], strconv.Itoa(n))
			}
		}
		for _, a := range args {
			if len(a) < 3 {
				continue
			}
			if reply, err := conn.Do(a...); err != nil || reply.IsError() {
				return fmt.Errorf("%v: %s %w", a[0], reply.Str, err)
			}
		}
	}
	return nil
}

// openLoad is the load.
type openLoad struct {
	keys  int
	one   stallWrite
	every time.Duration
	addr  string

	due    chan time.Time // of the next writes
	quit   chan struct{}
	wg     sync.WaitGroup
	into   atomic.Pointer[stallWindow]
	mu     sync.Mutex // guards what into points to, and errs
	failed error
}

// start connects and begins to write.
func (l *openLoad) start(ctx context.Context) error {
	// Room for all writes of a minute in which the server stands still.
	l.due, l.quit = make(chan time.Time, time.Minute/l.every), make(chan struct{})
	for i := range stallClients {
		conn, err := wire.Dial(ctx, l.addr, time.Minute)
		if err != nil {
			return errors.Join(err, l.stop())
		}
		// Owned by the load. Stops when due closes, or at an error.
		l.wg.Go(func() {
			defer conn.Close()
			l.write(conn, rand.New(rand.NewPCG(uint64(i), 2)))
		})
	}
	// Owned by the load. Stops when quit closes.
	l.wg.Go(func() {
		defer close(l.due)
		for at := time.Now(); ; at = at.Add(l.every) {
			if wait := time.Until(at); wait > 0 {
				time.Sleep(wait)
			}
			select {
			case l.due <- at:
			case <-l.quit:
				return
			}
		}
	})
	return nil
}

func (l *openLoad) write(conn *wire.Conn, r *rand.Rand) {
	for at := range l.due {
		n := r.IntN(l.keys)
		reply, err := conn.Do(l.one(n, r)...)
		took := time.Since(at)
		l.mu.Lock()
		if err != nil && l.failed == nil {
			l.failed = err
		}
		if w := l.into.Load(); w != nil && err == nil {
			w.hist.record(took)
			w.longest = max(w.longest, took)
			if reply.IsError() {
				w.failed++
			}
		}
		l.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// window records into w while during runs.
func (l *openLoad) window(w *stallWindow, pid int, during func() error) error {
	var err error
	if w.before, err = harness.ResidentBytes([]int{pid}); err != nil {
		return err
	}
	w.peak = w.before
	stop, stopped := make(chan struct{}), make(chan struct{})
	// Owned by this call, which ends it and waits.
	go func() {
		defer close(stopped)
		forked := int64(0)
		for n := 0; ; n++ {
			if n%10 == 0 { // it is slow, and the child waits meanwhile
				forked = children(pid)
			}
			if now, err := harness.ResidentBytes([]int{pid}); err == nil {
				w.peak = max(w.peak, now+forked)
			}
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	l.into.Store(w)
	err = during()
	l.mu.Lock()
	l.into.Store(nil)
	err = errors.Join(err, l.failed)
	l.mu.Unlock()
	close(stop)
	<-stopped
	return err
}

// children returns the memory that the children of a process have for themselves: what
// a forked redis-server shares with its parent isn't memory that it takes.
func children(pid int) (sum int64) {
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0
	}
	for child := range strings.FieldsSeq(string(list)) {
		rollup, err := os.ReadFile("/proc/" + child + "/smaps_rollup")
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(rollup)) {
			if rest, ok := strings.CutPrefix(line, "Private_Dirty:"); ok {
				kb, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
				sum += kb << 10
			}
		}
	}
	return sum
}

// stop ends the load.
func (l *openLoad) stop() error {
	close(l.quit)
	l.wg.Wait()
	return nil
}
