// Logstores compares log stores for hashicorp/raft: this repository's shared log,
// raft-boltdb and raft-wal, side by side and interleaved, each append synced. It is a
// module of its own so that what it compares with is no dependency of the server.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

func main() {
	var (
		dir     = flag.String("dir", ".", "directory on the disk to be measured")
		rounds  = flag.Int("rounds", 5, "how often each cell is measured; the medians are reported")
		seconds = flag.Float64("seconds", 3, "how long each cell is measured")
		only    = flag.String("stores", "shared,boltdb,raft-wal", "the stores to compare")
		cells   = flag.String("cells", "", "measure only cells whose name has this in it")
		burst   = flag.Float64("burst", 10, "GB written with compaction on, to see what disk is used after; 0: not measured")
		device  = flag.String("device", "", "block device whose written sectors are counted too, as in /sys/block")
	)
	flag.Parse()
	if err := run(*dir, *rounds, time.Duration(*seconds*float64(time.Second)), strings.Split(*only, ","), *cells, int64(*burst*1e9), *device); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// cell is one thing that is measured.
type cell struct {
	name     string
	groups   int // appenders, each with a log of its own
	commands int // in an entry: what so many clients wait for
	size     int // bytes of an entry
}

// commandBytes is about what one SET of 100 bytes takes in an entry.
const commandBytes = 128

func allCells() []cell {
	c := []cell{
		{"one appender, 128 B", 1, 1, 128},
		{"one appender, 4 KiB", 1, 1, 4096},
		{"50 clients' commands an entry", 1, 50, 50 * commandBytes},
		{"200 clients' commands an entry", 1, 200, 200 * commandBytes},
		{"four groups, 128 B", 4, 1, 128},
		{"four groups, 4 KiB", 4, 1, 4096},
		{"four groups, 50 clients' commands an entry", 4, 50, 50 * commandBytes},
	}
	return c
}

// result is what one measurement found.
type result struct {
	perSecond float64 // commands
	p50, p99  time.Duration
	written   float64 // bytes by the process for each byte of entries
	device    float64 // bytes on the block device for each byte of entries; 0: not asked
}

func run(dir string, rounds int, seconds time.Duration, names []string, filter string, burst int64, device string) error {
	fmt.Printf("%d rounds of %v, interleaved, medians; directory %s\n\n", rounds, seconds, dir)
	fmt.Println("| cell | store | commands/s | p50 us | p99 us | bytes written per byte | on the device | ratio to boltdb |")
	fmt.Println("|---|---|---|---|---|---|---|---|")
	for _, c := range allCells() {
		if !strings.Contains(c.name, filter) {
			continue
		}
		found := map[string][]result{}
		for r := range rounds {
			for i := range names {
				name := names[(i+r)%len(names)] // another one begins each round
				got, err := measure(name, c, dir, seconds, device)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", c.name, name, err)
				}
				found[name] = append(found[name], got)
			}
		}
		base := median(found["boltdb"], func(r result) float64 { return r.perSecond })
		for _, name := range names {
			of := func(f func(result) float64) float64 { return median(found[name], f) }
			rate := of(func(r result) float64 { return r.perSecond })
			ratio := ""
			if base > 0 {
				ratio = fmt.Sprintf("%.2f", rate/base)
			}
			fmt.Printf("| %s | %s | %.0f | %.0f | %.0f | %.2f | %.2f | %s |\n", c.name, name, rate,
				of(func(r result) float64 { return float64(r.p50.Microseconds()) }), of(func(r result) float64 { return float64(r.p99.Microseconds()) }),
				of(func(r result) float64 { return r.written }), of(func(r result) float64 { return r.device }), ratio)
		}
	}
	if burst > 0 && (filter == "" || strings.Contains("burst", filter)) {
		return runBurst(dir, names, burst, device)
	}
	return nil
}

func median(rs []result, f func(result) float64) float64 {
	if len(rs) == 0 {
		return 0
	}
	var v []float64
	for _, r := range rs {
		v = append(v, f(r))
	}
	slices.Sort(v)
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}
