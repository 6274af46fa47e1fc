package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/quorate/quorate/test/harness"
	"github.com/quorate/quorate/test/wire"
)

// A start is measured from the moment the process is made to the first read that is
// answered with a value. The files are in the page cache: it is the server's
// work that is compared, not the disk's.

// restart is one way to come back with data.
type restart struct {
	name    string
	server  harness.Kind
	args    []string
	prepare func(ctx context.Context, b *restartBench, r *restart) error // leaves the data in dir
	reset   func(dir string) error                                       // before each start; nil: nothing to do

	dir   string
	port  int
	times []float64 // seconds
	peaks []float64 // bytes

}

// restartBench is what the restarts of one size share.
type restartBench struct {
	keys     int
	dir      string
	rounds   int
	progress io.Writer
	rdb      string // the file that redis-server has written
}

// restartValueBytes is the size of values: with the key as large as elsewhere.
const restartValueBytes = 100

func restarts() []*restart {
	redis := []string{"--save", "", "--bind", "127.0.0.1"}
	quorate := []string{"--save", "", "--bind", "127.0.0.1", "--appendfsync", "no", "--quorate-metrics-port", "0",
		"--quorate-snapshot-log-bytes", "1000gb"} // no snapshot but that of SAVE
	with := func(args []string, more ...string) []string { return append(append([]string{}, args...), more...) }
	return []*restart{
		{name: "redis RDB", server: harness.Redis{}, args: with(redis, "--appendonly", "no"), prepare: fillAndSave},
		{name: "redis AOF", server: harness.Redis{}, args: with(redis, "--appendonly", "yes", "--appendfsync", "no",
			"--auto-aof-rewrite-percentage", "0"), prepare: fillOnly},
		{name: "quorate dump.rdb", server: harness.Quorate{}, args: quorate, prepare: linkFile, reset: forget},
		{name: "quorate snapshot", server: harness.Quorate{}, args: quorate, prepare: fillAndSave},
		{name: "quorate log", server: harness.Quorate{}, args: quorate, prepare: fillOnly},
	}
}

// runRestart measures all restarts with each number of keys.
func runRestart(ctx context.Context, o options, out, progress io.Writer) error {
	for _, keys := range o.restartKeys {
		b := &restartBench{keys: keys, rounds: o.rounds, progress: progress}
		if err := b.run(ctx, o.dir, out); err != nil {
			return fmt.Errorf("restart with %d keys: %w", keys, err)
		}
	}
	return nil
}

func (b *restartBench) run(ctx context.Context, parent string, out io.Writer) (err error) {
	if b.dir, err = os.MkdirTemp(parent, "quorate-restart-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	var all []*restart
	for i, r := range restarts() {
		r.dir = filepath.Join(b.dir, strconv.Itoa(i), "data")
		if err := os.MkdirAll(r.dir, 0o755); err != nil {
			return err
		}
		ports, err := harness.FreePorts(1, 0)
		if err != nil {
			return err
		}
		r.port = ports[0]
		fmt.Fprintf(b.progress, "preparing %s with %d keys\n", r.name, b.keys)
		err = r.prepare(ctx, b, r)
		if isMissing(err) {
			fmt.Fprintf(b.progress, "leaving out %s: %v\n", r.name, err)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		all = append(all, r)
	}
	for round := range b.rounds {
		for _, r := range all {
			if err := b.measure(ctx, r); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			fmt.Fprintf(b.progress, "round %d  %-18s %6.3f s  peak %5.0f MB\n", round+1, r.name,
				r.times[len(r.times)-1], r.peaks[len(r.peaks)-1]/1e6)
		}
	}
	return b.print(out, all)
}

// start starts a restart's server on its directory.
func (r *restart) start() (*harness.Process, error) {
	binary, err := r.server.Binary()
	if err != nil {
		return nil, err
	}
	args := append([]string{"--port", strconv.Itoa(r.port), "--dir", r.dir}, r.args...)
	p := harness.NewProcess("server", r.dir, binary, args...)
	return p, p.Start()
}

// serve starts the server, has use do something with it once it answers, and ends it.
func (r *restart) serve(ctx context.Context, use func(conn *wire.Conn) error) (err error) {
	p, err := r.start()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Stop(2*time.Minute)) }()
	conn, err := awaitReply(ctx, p, r.port, "PING")
	if err != nil {
		return err
	}
	defer conn.Close()
	return use(conn)
}

// awaitReply asks until there is a reply that is no error and no null, for a minute
// per million keys that anybody might have.
func awaitReply(ctx context.Context, p *harness.Process, port int, command ...string) (*wire.Conn, error) {
	var conn *wire.Conn
	for {
		if err := errors.Join(ctx.Err(), p.Crashed()); err != nil {
			return nil, fmt.Errorf("%w\n%s", err, p.LogTail(10))
		}
		var err error
		if conn == nil {
			conn, err = wire.Dial(ctx, harness.Addr(port), time.Minute)
		}
		if err == nil {
			var reply wire.Reply
			if reply, err = conn.Do(command...); err == nil && !reply.IsError() && !reply.Null {
				return conn, nil
			}
		}
		if err != nil && conn != nil {
			conn.Close()
			conn = nil
		}
		pause(ctx, time.Millisecond)
	}
}

// restartKey and restartValue are the n-th pair; values don't compress.
func restartKey(n int) string { return fmt.Sprintf("key:%012d", n) }

func restartValue(n int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	r := rand.NewPCG(uint64(n), 1)
	var b [restartValueBytes]byte
	for i := 0; i < len(b); {
		for w, k := r.Uint64(), 0; k < 10 && i < len(b); k++ {
			b[i] = letters[w&63]
			w >>= 6
			i++
		}
	}
	return string(b[:])
}

// fillOnly leaves the keys wherever the server's arguments have it put them.
func fillOnly(ctx context.Context, b *restartBench, r *restart) error {
	return r.serve(ctx, b.fill)
}

// fillAndSave leaves them in an RDB file or a snapshot.
func fillAndSave(ctx context.Context, b *restartBench, r *restart) error {
	err := r.serve(ctx, func(conn *wire.Conn) error {
		if err := b.fill(conn); err != nil {
			return err
		}
		reply, err := conn.Do("SAVE")
		if err == nil && reply.IsError() {
			err = fmt.Errorf("SAVE: %s", reply.Str)
		}
		return err
	})
	if _, redis := r.server.(harness.Redis); redis && err == nil {
		b.rdb = filepath.Join(r.dir, "dump.rdb")
	}
	return err
}

func (b *restartBench) fill(conn *wire.Conn) error {
	const batch = 1000
	for n := 0; n < b.keys; {
		sent := 0
		for ; sent < batch && n < b.keys; sent++ {
			conn.Send("SET", restartKey(n), restartValue(n))
			n++
		}
		if err := conn.Flush(); err != nil {
			return err
		}
		for range sent {
			if reply, err := conn.Receive(); err != nil || reply.IsError() {
				return fmt.Errorf("SET: %s %w", reply.Str, err)
			}
		}
	}
	return nil
}

// linkFile gives a server the file that redis-server has left.
func linkFile(_ context.Context, b *restartBench, r *restart) error {
	if b.rdb == "" {
		return fmt.Errorf("no file of redis-server: %w", exec.ErrNotFound)
	}
	return os.Link(b.rdb, filepath.Join(r.dir, "dump.rdb"))
}

// forget has a node begin with the file again.
func forget(dir string) error { return os.RemoveAll(filepath.Join(dir, "quorate-data")) }

// measure starts the server once.
func (b *restartBench) measure(ctx context.Context, r *restart) (err error) {
	if r.reset != nil {
		if err := r.reset(r.dir); err != nil {
			return err
		}
	}
	last := b.keys - 1
	began := time.Now()
	p, err := r.start()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Kill()) }()
	conn, err := awaitReply(ctx, p, r.port, "GET", restartKey(last))
	took := time.Since(began)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, n := range []int{0, b.keys / 2, last} {
		if reply, err := conn.Do("GET", restartKey(n)); err != nil || string(reply.Str) != restartValue(n) {
			return fmt.Errorf("GET %s: %q %w", restartKey(n), reply.Str, err)
		}
	}
	if reply, err := conn.Do("DBSIZE"); err != nil || string(reply.Raw) != fmt.Sprintf(":%d\r\n", b.keys) {
		return fmt.Errorf("DBSIZE: %q %w", reply.Raw, err)
	}
	peak, err := harness.PeakBytes([]int{p.Pid()})
	if err != nil {
		return err
	}
	r.times, r.peaks = append(r.times, took.Seconds()), append(r.peaks, float64(peak))
	return nil
}

func (b *restartBench) print(out io.Writer, all []*restart) error {
	data := float64(b.keys) * float64(len(restartKey(0))+restartValueBytes)
	reference := 0.0
	fmt.Fprintf(out, "\n%d keys, %d bytes of keys and values, medians of %d starts\n", b.keys, int64(data), b.rounds)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "start from\tseconds\ts per million keys\ts per GB\tpeak MB\tof redis RDB\t")
	for _, r := range all {
		s := median(r.times)
		if reference == 0 {
			reference = s // redis-server from its RDB file comes first
		}
		fmt.Fprintf(w, "%s\t%.3f\t%.3f\t%.2f\t%.0f\t%.2f\t\n", r.name, s, s*1e6/float64(b.keys), s*1e9/data,
			median(r.peaks)/1e6, s/reference)
	}
	return w.Flush()
}
